import { setTimeout as delay } from 'node:timers/promises'
import { isRegistryError, RegistryError } from '../oci/errors.ts'
import { isInMemory } from '../ports/blob-store.ts'
import type { DestinationRepository } from '../ports/moving/destination.ts'
import type { Mutex } from '../util/async/mutex.ts'
import { untilAborted } from '../util/async/until-aborted.ts'
import type { KnownSources } from './known-sources.ts'
import type { LimitGate } from './limit-gate.ts'
import { chunkOf } from './send-body.ts'
import { ATTEMPTS, LEAST_CHUNK, retryIn, type UploadPolicy } from './upload-policy.ts'
import type { UploadRequest, UploadView } from './upload-request.ts'
import {
  afterFailure,
  afterStep,
  beginning,
  nextStep,
  type Step,
  type StepResult,
  type UploadOutcome,
  type UploadState,
} from './upload-state.ts'

/** What all uploads to a destination share. */
export interface UploadContext {
  readonly policy: UploadPolicy
  readonly known: KnownSources
  /** Waits for a place among the uploads of the destination. */
  readonly enter: (upload: Upload, signal: AbortSignal) => Promise<Disposable>
  readonly limits: LimitGate
  /** The most bytes that the destination takes in one request, as far as it has said so; whether it takes chunks. */
  readonly learnt: { chunk: number; takesChunks: boolean }
  /** 0 to 1. */
  readonly random: () => number
  /** For what is read there and written anew. */
  readonly alone: Mutex
}

export type UploadEnd = { readonly outcome: UploadOutcome } | { readonly error: unknown }

/**
 * One blob on its way to one repository of a destination. It starts when it is made, belongs to no job, and
 * ends early only when every job that wants it has left. The destination is told then.
 */
export class Upload {
  /** Settles when it is over, and its session is done or abandoned. Never rejects. */
  readonly ended: Promise<UploadEnd>
  readonly request: UploadRequest
  readonly #context: UploadContext
  readonly #target: DestinationRepository
  readonly #stop = new AbortController()
  #state: UploadState
  #jobs = 0
  /** Bytes of the request that runs now. */
  #inFlight = 0
  /** Keeps its bytes coming between two requests: a download that nobody reads is given up. */
  #source: AsyncDisposable | undefined
  #isOver = false

  constructor(request: UploadRequest, context: UploadContext) {
    this.request = request
    this.#context = context
    this.#target = request.destination.repository(request.repository)
    this.#state = beginning(request.size, { sources: [], isKnown: false }, context.policy)
    this.ended = this.#run()
  }

  get view(): UploadView {
    const { destination, repository, digest, size } = this.request
    const { session, failures } = this.#state
    const sent = Math.min(size, (session?.offset ?? 0) + this.#inFlight)
    return { destination: destination.name, repository, digest, size, sent, failures }
  }

  /** False once it is over, or about to end because nobody wanted it. */
  get isJoinable(): boolean {
    return !this.#isOver && !this.#stop.signal.aborted
  }

  /**
   * Wants the blob there. When the signal aborts, the caller wants it no more.
   *
   * @throws RegistryError why it could not be sent, or the signal's reason
   */
  async wanted(signal?: AbortSignal): Promise<UploadOutcome> {
    this.#jobs += 1
    try {
      signal?.throwIfAborted()
      const end = await untilAborted(this.ended, signal)
      if ('error' in end) throw end.error
      return end.outcome
    } finally {
      this.#jobs -= 1
      if (this.#jobs === 0) this.cancel()
    }
  }

  cancel(): void {
    if (!this.#isOver) this.#stop.abort(new Error('the upload was cancelled'))
  }

  async #run(): Promise<UploadEnd> {
    const { signal } = this.#stop
    try {
      // Others may wait for `ended`, which is set when this method has returned.
      await Promise.resolve()
      using _place = await this.#context.enter(this, signal)
      const outcome = await this.#carryOut(signal)
      await this.#context.known.add(this.request)
      return { outcome }
    } catch (error) {
      return { error }
    } finally {
      this.#isOver = true
      const { session } = this.#state
      // Its bytes were read: what closing it says is of no use to anybody.
      await Promise.resolve(this.#source?.[Symbol.asyncDispose]()).catch(() => {})
      if (session !== undefined) await this.#target.abandon(session)
    }
  }

  async #carryOut(signal: AbortSignal): Promise<UploadOutcome> {
    const { policy, known, learnt } = this.#context
    this.#state = beginning(this.request.size, await known.of(this.request), policy)
    for (;;) {
      const chunk = learnt.takesChunks ? Math.min(this.#state.chunk, learnt.chunk) : Infinity
      this.#state = { ...this.#state, chunk }
      const before = this.#state
      const step = nextStep(before)
      const after = await this.#take(step, before, signal)
      if (after === 'sent') this.#state = { ...before, session: undefined }
      if (typeof after === 'string') return after
      this.#state = after
      // A second session makes the first one useless, and so does a chunk that was not taken.
      if (isLeft(before, step, after)) await this.#target.abandon(before.session!)
      if (after.chunk < before.chunk) this.#learn(after)
      if (after.chunk > before.chunk) learnt.takesChunks = false
    }
  }

  /** Takes one step, and waits where it failed in a way that may pass. */
  async #take(step: Step, before: UploadState, signal: AbortSignal): Promise<UploadState | UploadOutcome> {
    const { limits, policy, random } = this.#context
    await limits.pass(signal)
    let after: UploadState | UploadOutcome
    let problem: unknown
    try {
      const result = await this.#perform(step, signal)
      // A mount that is denied says nothing about what the other repository has.
      if (step.does === 'mount' && result !== 'mounted' && result !== 'denied') {
        await this.#context.known.mountFailed(this.request, step.from)
      }
      after = afterStep(before, step, result)
      problem = this.#problem(result)
    } catch (error) {
      signal.throwIfAborted()
      after = afterFailure(before, step)
      problem = error
    } finally {
      this.#inFlight = 0
    }
    if (typeof after === 'string' || after.failures <= before.failures) return after
    const wait = retryIn(policy, problem, after.failures, random())
    if (wait === undefined) throw problem
    // Where the bytes come from may limit us too.
    const { name } = this.request.destination
    const isLimited = isRegistryError(problem, 'UPSTREAM_LIMITED') && problem.detail['upstream'] === name
    if (isLimited) limits.close(wait)
    else await delay(wait, undefined, { signal })
    return after
  }

  async #perform(step: Step, signal: AbortSignal): Promise<StepResult> {
    const { digest } = this.request
    switch (step.does) {
      case 'check':
        return this.#target.hasBlob(digest, signal)
      case 'mount':
        return this.#opened(this.#target.mount(digest, step.from.repository), signal)
      case 'begin':
        return this.#opened(this.#target.begin(), signal)
      case 'status':
        return this.#target.status(step.session, signal)
      case 'append':
        await this.#keepSource(signal)
        return this.#target.append(step.session, this.#chunk(step.session.offset, step.end), signal)
      case 'finish': {
        const { session, end } = step
        const chunk = end > session.offset ? this.#chunk(session.offset, end) : undefined
        return this.#target.finish(session, digest, chunk, signal)
      }
    }
  }

  /** A request that is cut off may open a session all the same, which nobody would know of. */
  async #opened(asked: Promise<StepResult>, signal: AbortSignal): Promise<StepResult> {
    try {
      return await untilAborted(asked, signal)
    } finally {
      if (signal.aborted) {
        const abandon = (result: StepResult) =>
          typeof result === 'object' ? this.#target.abandon(result) : undefined
        // When it failed there is nothing to abandon.
        asked.then(abandon, () => {})
      }
    }
  }

  async #keepSource(signal: AbortSignal): Promise<void> {
    if (this.#source !== undefined) return
    const opened = await this.request.open(signal)
    if (opened !== undefined && !isInMemory(opened)) this.#source = opened
  }

  #chunk(start: number, end: number): ReturnType<typeof chunkOf> {
    return chunkOf(this.request, { start, end }, (bytes) => (this.#inFlight += bytes))
  }

  /** What to report when it happens too often. */
  #problem(result: StepResult): RegistryError {
    const upstream = this.request.destination.name
    return new RegistryError('UPSTREAM_UNAVAILABLE', {
      upstream,
      reason: `the upload session was ${String(result)} ${ATTEMPTS} times`,
    })
  }

  #learn({ chunk, session }: UploadState): void {
    const { learnt } = this.#context
    if (!learnt.takesChunks || chunk < Math.max(LEAST_CHUNK, session?.leastChunk ?? 0)) {
      const reason = `takes no requests of ${chunk * 4} bytes`
      const upstream = this.request.destination.name
      throw new RegistryError('UPSTREAM_INVALID', { upstream, status: 413, reason })
    }
    learnt.chunk = chunk
  }
}

function isLeft({ session }: UploadState, step: Step, after: UploadState): boolean {
  if (session === undefined || after.session === session) return false
  return step.does === 'mount' || (step.does === 'append' && after.session === undefined)
}
