import type { Hash } from 'node:crypto'

/** What the thread of `hash-thread.ts` is told. */
export type HashMessage = { readonly id: number } & (
  | { readonly algorithm: string }
  /** `uses` is counted down once the bytes are hashed. */
  | { readonly bytes: Uint8Array; readonly uses?: Int32Array<SharedArrayBuffer> }
  /** The end of a hash. */
  | { readonly isWanted: boolean }
)

/** Some more bytes are hashed, or the hash. */
export interface HashAnswer {
  readonly id: number
  readonly hex?: string
}

/** The program of the thread. It runs from its text, so that it uses nothing but itself. */
export function hashInThread(): void {
  const { createHash } = process.getBuiltinModule('node:crypto')
  const { parentPort } = process.getBuiltinModule('node:worker_threads')
  const running = new Map<number, Hash>()
  const answer = (message: HashAnswer): void => parentPort!.postMessage(message, [])
  parentPort!.on('message', (message: HashMessage) => {
    const { id } = message
    if ('algorithm' in message) return void running.set(id, createHash(message.algorithm))
    const hash = running.get(id)
    if ('bytes' in message) {
      hash?.update(message.bytes)
      if (message.uses !== undefined) Atomics.sub(message.uses, 0, 1)
      answer({ id })
    } else {
      running.delete(id)
      if (message.isWanted) answer({ id, hex: hash!.digest('hex') })
    }
  })
}
