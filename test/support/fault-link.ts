import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { reset } from './reset.ts'

/** What happens to the bytes that come back from the target. Changes apply to running connections too. */
export interface Toxics {
  /** Before each piece. */
  latencyMs?: number
  /** Per connection. */
  bytesPerSecond?: number
  /** RST once this many bytes of the connection have passed. */
  resetAtByte?: number
  /** Nothing more once this many bytes of the connection have passed. */
  stallAtByte?: number
  /** No piece is larger. */
  sliceBytes?: number
  /** Connections are reset as they are made. */
  down?: boolean
}

export interface FaultLink extends AsyncDisposable {
  readonly url: string
  readonly authority: string
  /** Replaces the toxics in force; `{}` heals the link. */
  set(toxics: Toxics): void
  /** Resets every running connection. */
  cut(): void
  readonly connections: number
}

/** A TCP link to `target` (`http://127.0.0.1:5000`) that can be made bad. */
export async function faultLink(target: string, initial: Toxics = {}): Promise<FaultLink> {
  const { hostname, port } = new URL(target)
  let toxics = initial
  const clients = new Set<Socket>()
  const server = createServer((client) => {
    clients.add(client)
    client.setNoDelay(true).on('error', () => {})
    client.once('close', () => clients.delete(client))
    if (toxics.down) return void reset(client)
    const far = connect(Number(port), hostname)
    far.setNoDelay(true).on('error', () => reset(client))
    client.once('close', () => far.destroy())
    client.pipe(far)
    void carry(far, client, () => toxics)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const authority = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const cut = (): void => {
    for (const client of clients) reset(client)
  }
  return {
    url: `http://${authority}`,
    authority,
    set(next) {
      toxics = next
      if (next.down) cut()
    },
    cut,
    get connections() {
      return clients.size
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      cut()
      await closed
    },
  }
}

async function carry(far: Socket, client: Socket, toxics: () => Toxics): Promise<void> {
  const gone = new AbortController()
  const { signal } = gone
  client.once('close', () => gone.abort())
  let passed = 0
  try {
    for await (const chunk of far as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length;) {
        const { latencyMs, bytesPerSecond, resetAtByte, stallAtByte, sliceBytes = chunk.length } = toxics()
        const limit = bytesPerSecond === undefined ? sliceBytes : Math.ceil(bytesPerSecond / 50)
        const left = Math.min(resetAtByte ?? Infinity, stallAtByte ?? Infinity) - passed
        const piece = chunk.subarray(at, at + Math.max(0, Math.min(sliceBytes, limit, left)))
        if (latencyMs) await sleep(latencyMs, undefined, { signal })
        if (piece.length > 0 && !client.write(piece)) await once(client, 'drain', { signal })
        if (bytesPerSecond) await sleep((1000 * piece.length) / bytesPerSecond, undefined, { signal })
        at += piece.length
        passed += piece.length
        if (passed >= (resetAtByte ?? Infinity)) return void reset(client)
        if (passed >= (stallAtByte ?? Infinity)) await once(client, 'close')
        if (client.destroyed) return
      }
    }
    client.end()
  } catch {
    // Either side went away: so does the other.
    reset(client)
  } finally {
    far.destroy()
  }
}
