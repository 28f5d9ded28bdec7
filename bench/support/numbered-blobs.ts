import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { start } from '../../test/e2e/support/processes.ts'

export interface NumberedBlobs extends AsyncDisposable {
  readonly url: string
  /** Of each blob. */
  readonly paths: readonly string[]
  /** Bytes of blobs sent, and requests for blobs of any method, so far. Once it sends nothing: some fetch on when the client has all. */
  settled(): Promise<{ readonly sent: number; readonly requests: number }>
}

/** An upstream of `count` blobs of `size` bytes each, that says nothing more after `stallsAfter` of them. */
export async function numberedBlobs(
  count: number,
  size: number,
  stallsAfter?: number,
): Promise<NumberedBlobs> {
  const script = fileURLToPath(new URL('numbered-blobs-upstream.ts', import.meta.url))
  const numbers = [count, size, ...(stallsAfter === undefined ? [] : [stallsAfter])]
  const program = start(process.execPath, [script, ...numbers.map(String)])
  const { port, digests } = await program.line(
    (line) => JSON.parse(line) as { port: number; digests: string[] },
  )
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    paths: digests.map((digest) => `/v2/library/app/blobs/${digest}`),
    async settled() {
      for (const deadline = Date.now() + 15_000; Date.now() < deadline; await sleep(10)) {
        const stats = (await (await fetch(`${url}/stats`)).json()) as BlobStats
        if (stats.running === 0) return stats
      }
      throw new Error('upstream is still sending')
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

interface BlobStats {
  readonly sent: number
  readonly requests: number
  readonly running: number
}
