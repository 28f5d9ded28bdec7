import type { Hash } from 'node:crypto'

/** What the thread of `hash-thread.ts` is told. */
export type HashMessage = { readonly id: number } & (
  | { readonly algorithm: string; readonly hashed: HashedCount }
  /** The uses of a shared piece are counted down once it is hashed. */
  | { readonly bytes: Uint8Array }
  /** The end of a hash. */
  | { readonly isWanted: boolean }
)

/** How many of the byte arrays of a hash are hashed. The thread counts, and wakes who waits for it. */
export type HashedCount = Int32Array<SharedArrayBuffer>

/** The hash. */
export interface HashAnswer {
  readonly id: number
  readonly hex: string
}

/** The program of the thread. It runs from its text, so that it uses nothing but itself. */
export function hashInThread(counterBytes: number): void {
  const { createHash } = process.getBuiltinModule('node:crypto')
  const { parentPort } = process.getBuiltinModule('node:worker_threads')
  const running = new Map<number, { readonly hash: Hash; readonly hashed: HashedCount }>()
  parentPort!.on('message', (message: HashMessage) => {
    const { id } = message
    if ('algorithm' in message) {
      return void running.set(id, { hash: createHash(message.algorithm), hashed: message.hashed })
    }
    const found = running.get(id)
    // It has ended.
    if (found === undefined) return
    const { hash, hashed } = found
    if ('bytes' in message) {
      const { bytes } = message
      hash.update(bytes)
      const { buffer } = bytes
      if (buffer instanceof SharedArrayBuffer) {
        Atomics.sub(new Int32Array(buffer, buffer.byteLength - counterBytes, 1), 0, 1)
      }
      Atomics.add(hashed, 0, 1)
      Atomics.notify(hashed, 0)
    } else {
      running.delete(id)
      if (message.isWanted) parentPort!.postMessage({ id, hex: hash.digest('hex') } satisfies HashAnswer, [])
    }
  })
}
