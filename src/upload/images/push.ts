import type { Digest } from '../../oci/digest.ts'
import { isRegistryError } from '../../oci/errors.ts'
import { type ImagePattern, imageText } from '../../oci/image-pattern.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Destination } from '../../ports/moving/destination.ts'
import type { Image, ImageCatalogue } from '../../ports/operations.ts'
import type {
  Push,
  PushedImage,
  PushProgress,
  PushReport,
  PushRequest,
  PushTarget,
} from '../../ports/moving/push.ts'
import type { Repository } from '../../ports/repository.ts'
import type { Held } from '../../ports/time.ts'
import type { UploadManager } from '../manager.ts'
import type { Pace } from '../send-body.ts'
import { failureText } from './failure-text.ts'
import { ImagePush, type ImagePushed } from './image-push.ts'
import { plan, type PlannedImage } from './plan.ts'
import { together } from './together.ts'
import { yieldEvery } from '../../util/async/yield-every.ts'

export interface PushDependencies {
  readonly catalogue: Pick<ImageCatalogue, 'images'>
  /** A repository through the cache. @throws RegistryError when its upstream is not configured, or denied */
  readonly source: (name: RepositoryName) => Repository
  /** What pulls of an image get where a cool-down holds back what its tag points to. */
  readonly heldOf: (image: Image) => Promise<Held | undefined>
  readonly uploads: UploadManager
  /** Opens a destination, and closes it when nobody uses it any more. */
  readonly open: (target: PushTarget) => { readonly destination: Destination } & AsyncDisposable
  /** Makes a limit of bytes per second. */
  readonly paceOf: (rate: number) => Pace
}

/** Images of one push at once. */
const AT_ONCE = 4
/** Images that fail one after the other because the destination cannot be reached, before all are given up. */
const OUT_AFTER = 4
/** Milliseconds between two looks at what is being sent. */
const LOOK_EVERY = 250
/** Images of a dry run that are told of at once. */
const TOGETHER = 50

/** Pushes stored images to another registry. */
export function createPush(dependencies: PushDependencies): Push {
  const { uploads, open } = dependencies

  return async function push(request, { signal, put }) {
    const planned = await plan(await imagesOf(dependencies, request.images), request)
    const bytes = planned.reduce((sum, { image }) => sum + image.size, 0)
    put('plan', { step: 'plan', images: planned.length, bytes })
    const started = performance.now()
    if (request.dryRun) {
      await putPlanned(planned, request.to, put)
      return reportOf([], planned.length, started)
    }
    await using opened = open(request.to)
    const { name } = opened.destination
    const look = setInterval(() => {
      const running = uploads.list().filter(({ destination }) => destination === name)
      put('uploads', { step: 'uploads', uploads: running })
    }, LOOK_EVERY)
    try {
      const run = new PushRun(dependencies, request, opened.destination, signal, (image) =>
        put(`image ${image.image}`, { step: 'images', images: [image] }),
      )
      return reportOf(await run.all(planned), planned.length, started)
    } finally {
      clearInterval(look)
      await uploads.settled(opened.destination)
    }
  }
}

/** Many together: thousands of lines of one image each would be in everybody's way. */
async function putPlanned(
  planned: readonly PlannedImage[],
  to: PushTarget,
  put: PushProgress['put'],
): Promise<void> {
  const pause = yieldEvery()
  for (let i = 0; i < planned.length; i += TOGETHER) {
    const images = planned.slice(i, i + TOGETHER).map((one) => described(one, to, 'planned'))
    put(`planned ${i}`, { step: 'images', images })
    await pause()
  }
}

async function imagesOf(
  { catalogue, heldOf }: Pick<PushDependencies, 'catalogue' | 'heldOf'>,
  patterns: readonly ImagePattern[],
): Promise<readonly Image[]> {
  const found: Image[] = []
  for (const pattern of patterns)
    for (const image of await catalogue.images(pattern)) {
      // A digest that was asked for and that a cool-down holds back is not what its tag gives.
      const isHeld = pattern.text.includes('@') && (await heldOf(image)) !== undefined
      found.push(isHeld ? { ...image, tag: undefined } : image)
    }
  return found
}

/** One push: its images, a few at a time. */
class PushRun {
  readonly #dependencies: PushDependencies
  readonly #request: PushRequest
  readonly #destination: Destination
  readonly #signal: AbortSignal
  readonly #report: (image: PushedImage) => void
  readonly #seen = new Set<string>()
  readonly #pace: Pace | undefined
  #outages = 0

  constructor(
    dependencies: PushDependencies,
    request: PushRequest,
    destination: Destination,
    signal: AbortSignal,
    report: (image: PushedImage) => void,
  ) {
    this.#dependencies = dependencies
    this.#request = request
    this.#destination = destination
    this.#signal = signal
    this.#report = report
    this.#pace = request.rate === undefined ? undefined : dependencies.paceOf(request.rate)
  }

  /** @throws the signal's reason */
  async all(planned: readonly PlannedImage[]): Promise<readonly PushedImage[]> {
    const ended: PushedImage[] = []
    const left = planned.values()
    const work = async (_: number, signal: AbortSignal): Promise<void> => {
      for (const image of left) ended.push(await this.#one(image, signal))
    }
    await together([...Array(AT_ONCE).keys()], work, this.#signal)
    this.#signal.throwIfAborted()
    return ended
  }

  async #one(planned: PlannedImage, signal: AbortSignal): Promise<PushedImage> {
    let about = described(planned, this.#request.to, 'pushing')
    const told = (image: PushedImage): PushedImage => {
      this.#report(image)
      return image
    }
    if (this.#outages >= OUT_AFTER || signal.aborted) return told({ ...about, state: 'not tried' })
    try {
      const held = await this.#dependencies.heldOf(planned.image)
      const digest = held?.digest ?? planned.image.digest
      about = { ...about, digest, ...(held && { heldUntil: new Date(held.until).toISOString() }) }
      this.#report(about)
      const pushed = await this.#push(planned, digest, signal)
      this.#outages = 0
      return told({ ...about, ...outcomeOf(pushed) })
    } catch (error) {
      if (signal.aborted) return told({ ...about, state: 'not tried' })
      if (!isRegistryError(error)) throw error
      const isOut =
        isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT') &&
        error.detail['upstream'] === this.#destination.name
      if (isOut) this.#outages += 1
      return told({ ...about, state: 'failed', reason: failureText(error) })
    }
  }

  #push({ image, repository }: PlannedImage, digest: Digest, signal: AbortSignal): Promise<ImagePushed> {
    const { platforms, referrers } = this.#request
    return new ImagePush({
      uploads: this.#dependencies.uploads,
      destination: this.#destination,
      repository,
      source: this.#dependencies.source(image.repository),
      platforms: platforms.length === 0 ? undefined : platforms,
      withReferrers: referrers,
      pace: this.#pace,
      seen: this.#seen,
      signal,
    }).run(digest, image.tag)
  }
}

function described(
  { image, repository }: PlannedImage,
  to: PushTarget,
  state: PushedImage['state'],
): PushedImage {
  const { tag, digest, size } = image
  const reference = tag === undefined ? `@${digest}` : `:${tag}`
  return {
    image: imageText(image),
    digest,
    state,
    to: `${new URL(to.url).host}/${repository}${reference}`,
    size,
  }
}

function outcomeOf({
  isUnchanged,
  sent,
  blobs,
  sparse,
}: ImagePushed): Pick<PushedImage, 'state' | 'sent' | 'blobs' | 'sparse'> {
  return {
    state: isUnchanged ? 'unchanged' : 'pushed',
    sent,
    blobs,
    ...(sparse !== undefined && { sparse }),
  }
}

function reportOf(ended: readonly PushedImage[], images: number, started: number): PushReport {
  const count = (state: PushedImage['state']): number => ended.filter((image) => image.state === state).length
  const sum = (value: (image: PushedImage) => number | undefined): number =>
    ended.reduce((total, image) => total + (value(image) ?? 0), 0)
  return {
    images,
    pushed: count('pushed'),
    unchanged: count('unchanged'),
    failed: count('failed'),
    notTried: count('not tried'),
    sent: sum(({ sent }) => sent),
    mounted: sum(({ blobs }) => blobs?.mounted),
    seconds: Math.round((performance.now() - started) / 100) / 10,
  }
}
