import { extname } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { RegistryError } from '../../oci/errors.ts'
import { type BlobReader, isInMemory, type OpenedBlob } from '../../ports/blob-store.ts'
import { startThread } from '../../util/async/start-thread.ts'
import type { LayerFacts } from '../../ports/conversions.ts'
import type { MeasuredLayer } from '../measured-layer.ts'
import { InvalidImageError } from '../invalid-image.ts'
import type { MeterAnswer, MeterTask, TarProblem } from './protocol.ts'

export interface LayerMeterOptions {
  /** Bytes of a layer, and of the tar in it, at most. A gzip of 10 MiB can hold 10 GiB. */
  readonly mostBytes?: number
}

/** Reads layers, to tell the digests of the tars in them. */
export interface LayerMeter extends AsyncDisposable {
  /**
   * Reads the blob to its end, which may still be on its way, and disposes of it.
   *
   * @param name names it in errors
   * @throws RegistryError UPSTREAM_INVALID when it is no tar, plain or in gzip, or too long
   * @throws RegistryError NO_THREAD while the machine has no thread for it, or when it has ended
   * @throws what the reader throws, and the reason of the signal
   */
  measure(name: string, blob: OpenedBlob, signal?: AbortSignal): Promise<MeasuredLayer>
}

/** Bytes read at a time, and handed to the thread. */
const PIECE = 128 * 1024
/** Pieces of one layer that are with the thread at most. */
const PIECES = 2
/** The most that Docker's own storage drivers gave a container. */
const MOST_BYTES = 32 * 1024 * 1024 * 1024

interface Measuring {
  /** Pieces that may be filled. */
  readonly free: ArrayBuffer[]
  pieceFreed: PromiseWithResolvers<void>
  readonly result: PromiseWithResolvers<LayerFacts | TarProblem>
  isOver: boolean
}

/**
 * Decompresses and hashes on one thread behind all others, however many layers are measured, for a layer takes
 * seconds of a processor. The thread ends when there is nothing to measure. A layer takes 256 KiB of memory and
 * a window of the decompressor, however long it is.
 */
export function layerMeter({ mostBytes = MOST_BYTES }: LayerMeterOptions = {}): LayerMeter {
  const running = new Map<number, Measuring>()
  let thread: Worker | undefined
  let last = 0

  return {
    async measure(name, blob, signal) {
      const { digest, size } = blob.descriptor
      if (size > mostBytes) {
        if (!isInMemory(blob)) await blob[Symbol.asyncDispose]()
        throw new InvalidImageError(
          `the layer ${name} has ${size} bytes, of which ${mostBytes} are read at most`,
        )
      }
      const id = ++last
      let measuring: Measuring
      try {
        measuring = begin(id)
      } catch (error) {
        if (!isInMemory(blob)) await blob[Symbol.asyncDispose]()
        throw error
      }
      const reading = readPieces(measuring, blob, (piece) => post({ id, piece }, piece))
      try {
        const facts = await settled(reading, () => post({ id, end: true }), measuring, signal)
        if ('problem' in facts) throw new InvalidImageError(`the layer ${name} ${facts.problem}`)
        return { digest, size, ...facts }
      } finally {
        if (!isInMemory(blob)) await blob[Symbol.asyncDispose]()
        stop(measuring)
        await reading.catch(() => {})
        finish(id)
      }
    },
    async [Symbol.asyncDispose]() {
      fail(new Error('the layer meter was closed'))
    },
  }

  function begin(id: number): Measuring {
    thread ??= start()
    const measuring: Measuring = {
      free: Array.from({ length: PIECES }, () => new ArrayBuffer(PIECE)),
      pieceFreed: Promise.withResolvers(),
      result: Promise.withResolvers(),
      isOver: false,
    }
    // Whoever waits for pieces may not wait for the result any more.
    measuring.result.promise.catch(() => {})
    running.set(id, measuring)
    post({ id, mostBytes })
    return measuring
  }

  function finish(id: number): void {
    running.delete(id)
    post({ id, forget: true })
    if (running.size > 0) return
    void thread?.terminate()
    thread = undefined
  }

  function post(task: MeterTask, piece?: Uint8Array): void {
    thread?.postMessage(task, piece === undefined ? [] : [piece.buffer as ArrayBuffer])
  }

  function start(): Worker {
    const started = startThread(new URL(`./meter-worker${extname(import.meta.url)}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 128 },
    })
    if (started === undefined) throw noThread('the limit of processes is reached')
    started.on('message', (answer: MeterAnswer) => {
      const measuring = running.get(answer.id)
      if (measuring === undefined) return
      if ('piece' in answer) {
        measuring.free.push(answer.piece)
        measuring.pieceFreed.resolve()
      } else measuring.result.resolve(answer.facts)
    })
    const ended = (reason: unknown): void => {
      if (thread === started) fail(reason)
    }
    started.on('error', ended)
    started.on('exit', () => ended(noThread('the thread has ended')))
    started.unref()
    return started
  }

  function fail(error: unknown): void {
    void thread?.terminate()
    thread = undefined
    for (const measuring of running.values()) {
      measuring.result.reject(error)
      stop(measuring)
    }
  }
}

function noThread(reason: string): RegistryError {
  return new RegistryError('NO_THREAD', { operation: 'measure a layer', reason })
}

function stop(measuring: Measuring): void {
  measuring.isOver = true
  measuring.pieceFreed.resolve()
}

/** Sends the blob piece by piece. Waits for a piece to come back when all are with the thread. */
async function readPieces(
  measuring: Measuring,
  blob: OpenedBlob,
  send: (piece: Uint8Array) => void,
): Promise<void> {
  for (let position = 0; ;) {
    while (measuring.free.length === 0 && !measuring.isOver) {
      await measuring.pieceFreed.promise
      measuring.pieceFreed = Promise.withResolvers()
    }
    if (measuring.isOver) return
    const buffer = Buffer.from(measuring.free.pop()!)
    const count = isInMemory(blob) ? blob.bytes.copy(buffer, 0, position) : await read(blob, buffer, position)
    if (count === 0) return
    send(new Uint8Array(buffer.buffer, 0, count))
    position += count
  }
}

function read(reader: BlobReader, buffer: Buffer, position: number): Promise<number> {
  return reader.read(buffer, position)
}

/** What the thread found; early when it has found a problem. */
async function settled(
  reading: Promise<void>,
  ended: () => void,
  { result }: Measuring,
  signal: AbortSignal | undefined,
): Promise<LayerFacts | TarProblem> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal!.reason)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted === true) abort()
  try {
    await Promise.race([reading, result.promise, aborted.promise])
    ended()
    return await Promise.race([result.promise, aborted.promise])
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
