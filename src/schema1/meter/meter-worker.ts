/** The thread of `layer-meter.ts`. */
import { parentPort } from 'node:worker_threads'
import { runInBackground } from '../../util/async/background-thread.ts'
import type { MeterAnswer, MeterTask } from './protocol.ts'
import { TarHash } from './tar-hash.ts'

interface Layer {
  readonly hash: TarHash
  /** Pieces are hashed in their order. */
  last: Promise<void>
}

const layers = new Map<number, Layer>()

function answer(message: MeterAnswer, transfer: ArrayBuffer[] = []): void {
  parentPort!.postMessage(message, transfer)
}

function begin(id: number, mostBytes: number): void {
  const hash = new TarHash(mostBytes)
  layers.set(id, { hash, last: Promise.resolve() })
  void hash.facts.then((facts) => answer({ id, facts }))
}

async function add(id: number, { hash }: Layer, piece: Uint8Array): Promise<void> {
  const memory = piece.buffer as ArrayBuffer
  await hash.write(Buffer.from(memory, piece.byteOffset, piece.byteLength))
  answer({ id, piece: memory }, [memory])
}

runInBackground()
parentPort!.on('message', (task: MeterTask) => {
  if ('mostBytes' in task) return begin(task.id, task.mostBytes)
  const layer = layers.get(task.id)
  if (layer === undefined) return undefined
  if ('piece' in task) layer.last = layer.last.then(() => add(task.id, layer, task.piece))
  else if ('end' in task) layer.last = layer.last.then(() => layer.hash.end())
  else {
    layers.delete(task.id)
    layer.hash.close()
  }
  return undefined
})
