import { LRUCache } from 'lru-cache'
import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { ImageTelemetry } from '../ports/telemetry.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import type { Emit } from './events.ts'

export interface ImageWatch extends Disposable {
  readonly telemetry: ImageTelemetry
  /** Content was committed to the store. */
  stored(digest: Digest): void
}

export interface ImageWatchOptions {
  readonly emit: Emit
  /** Whether the store has it. */
  readonly has: (digest: Digest) => Promise<boolean>
  /** Which of some parts other replicas have stored. Omitted where there are none. */
  readonly elsewhere?: (repository: RepositoryName, parts: readonly Digest[]) => Promise<readonly Digest[]>
}

/** An image that is on its way into the store. */
interface Arriving {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly missing: Set<Digest>
  /** When the other replicas are asked, in monotonic milliseconds, and how long after that again. */
  askAt: number
  wait: number
}

/** Parts of images that are waited for. A client may leave any number of images half pulled. */
const MOST_PARTS = 20_000
/** Of one image. Real ones stay far below, and a larger one would displace all others. */
const MOST_OF_ONE = 1_000
/** Tags and indexes that are remembered for the names of images. */
const MOST_NAMES = 2_000
/** Milliseconds until the other replicas are asked for the first and for the last time, each time twice as long. */
const ASK_FIRST = 4_000
const ASK_LAST = 1_024_000
const TICK = 2_000

/**
 * Emits an event when the last part of an image has been stored, and when a tag was seen to move. An image is
 * named by the tag that led to it, through an index or not, and by its digest where none did.
 */
export function imageWatch({ emit, has, elsewhere }: ImageWatchOptions): ImageWatch {
  const byPart = new Map<Digest, Set<string>>()
  const arriving = new LRUCache<string, Arriving>({
    maxSize: MOST_PARTS,
    sizeCalculation: ({ missing }) => missing.size + 1,
    dispose: ({ missing }, key) => forget(key, missing),
  })
  const tags = new LRUCache<string, string>({ max: MOST_NAMES })
  const indexes = new LRUCache<string, string>({ max: MOST_NAMES })

  function forget(key: string, parts: Iterable<Digest>): void {
    for (const part of parts) {
      const waiting = byPart.get(part)
      waiting?.delete(key)
      if (waiting?.size === 0) byPart.delete(part)
    }
  }

  function arrived(key: string, part: Digest): void {
    const image = arriving.get(key)
    if (image === undefined || !image.missing.delete(part)) return
    forget(key, [part])
    if (image.missing.size > 0) return
    arriving.delete(key)
    emit('image.stored', { image: nameOf(key, image), digest: image.digest })
  }

  function nameOf(key: string, { repository: { upstream, name }, digest }: Arriving): string {
    const tag = tags.get(key) ?? tags.get(indexes.get(key) ?? '')
    return `${upstream}/${name}${tag === undefined ? `@${digest}` : `:${tag}`}`
  }

  async function look(key: string, parts: readonly Digest[]): Promise<void> {
    const yieldTurn = yieldEvery()
    try {
      for (const part of parts) {
        if (await has(part)) arrived(key, part)
        await yieldTurn()
      }
    } catch (error) {
      // A store that fails has its own event.
      if (!isRegistryError(error, 'STORAGE')) throw error
    }
  }

  let isAsking = false
  const timer = elsewhere && setInterval(() => void askOthers(elsewhere), TICK).unref()

  /** A balancer spreads the parts of one pull: each replica commits some of them. */
  async function askOthers(elsewhere: NonNullable<ImageWatchOptions['elsewhere']>): Promise<void> {
    if (isAsking) return
    isAsking = true
    try {
      const due = [...arriving.entries()].filter(([, { askAt }]) => performance.now() >= askAt)
      for (const [key, image] of due) {
        image.askAt = image.wait > ASK_LAST ? Infinity : performance.now() + image.wait
        image.wait *= 2
        for (const part of await elsewhere(image.repository, [...image.missing])) arrived(key, part)
      }
    } catch (error) {
      // They are asked again.
      if (!isRegistryError(error, 'STORAGE')) throw error
    } finally {
      isAsking = false
    }
  }

  return {
    telemetry: {
      stored(repository, digest, { parts, isIndex }) {
        const key = keyOf(repository, digest)
        if (isIndex) {
          for (const part of someOf(parts, MOST_OF_ONE)) indexes.set(keyOf(repository, part), key)
          return
        }
        if (parts.length === 0 || parts.length > MOST_OF_ONE) return
        const missing = new Set(parts)
        // What is committed from now on counts, and then what was there before.
        for (const part of missing) byPart.set(part, (byPart.get(part) ?? new Set()).add(key))
        const askAt = performance.now() + ASK_FIRST
        arriving.set(key, { repository, digest, missing, askAt, wait: ASK_FIRST * 2 })
        void look(key, [...missing])
      },
      resolved(repository, tag, digest, before) {
        tags.set(keyOf(repository, digest), tag)
        if (before === undefined || before === digest) return
        const image = `${repository.upstream}/${repository.name}:${tag}`
        emit('tag.moved', { image, from: before, to: digest })
      },
    },
    stored(digest) {
      for (const key of byPart.get(digest) ?? []) arrived(key, digest)
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

function keyOf({ upstream, name }: RepositoryName, digest: Digest): string {
  return `${upstream}/${name}@${digest}`
}

function* someOf<T>(values: Iterable<T>, most: number): Generator<T> {
  let left = most
  for (const value of values) {
    if ((left -= 1) < 0) return
    yield value
  }
}
