import { randomBytes } from 'node:crypto'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { type AuthOptions, FakeAuth } from './fake-upstream/auth.ts'
import { FakeListener, type ListenerOptions } from './fake-upstream/listener.ts'
import { blobAnswer, failure, RegistryContent, type RegistryOptions } from './fake-upstream/registry.ts'
import type { Answer, WireRequest } from './fake-upstream/wire.ts'

export type { RecordedRequest } from './fake-upstream/listener.ts'
export type { Script } from './fake-upstream/script.ts'

export interface FakeUpstreamOptions extends ListenerOptions, RegistryOptions {
  readonly auth?: AuthOptions
  /** Blobs are answered with a redirect of this status to signed URLs of a second listener, `cdn`. */
  readonly redirectBlobs?: 301 | 302 | 303 | 307 | 308
}

/**
 * A registry on 127.0.0.1 that does everything right until told otherwise:
 *
 *     await using upstream = await fakeUpstream()
 *     const digest = upstream.addBlob(bytes)
 *     upstream.on(/blobs/, { atByte: { k: 1000, then: 'reset' } })   // the first GET breaks off, the second is whole
 *     ...
 *     assert.equal(upstream.count('GET', /blobs/), 2)
 */
export class FakeUpstream extends FakeListener {
  readonly content: RegistryContent
  /** Where redirected blobs are; listens only with `redirectBlobs`. */
  readonly cdn: FakeListener
  readonly #auth: FakeAuth | undefined
  readonly #redirect: number | undefined
  #signatures = new Set<string>()

  constructor(options: FakeUpstreamOptions = {}) {
    super((request) => this.#answerAs(request), options)
    this.content = new RegistryContent(options)
    this.cdn = new FakeListener((request) => this.#cdnAnswer(request, options), options)
    this.#auth = options.auth && new FakeAuth(options.auth, () => this.url)
    this.#redirect = options.redirectBlobs
  }

  addBlob(bytes: Buffer): Digest {
    return this.content.addBlob(bytes)
  }

  addManifest(repository: string, tag: string | undefined, body: Buffer, mediaType: string): Descriptor {
    return this.content.addManifest(repository, tag, body, mediaType)
  }

  /** How many tokens were asked for. */
  get tokenRequests(): number {
    return this.count('GET', '/token') + this.count('POST', '/token')
  }

  /** Tokens given out so far are refused from now on. */
  revokeTokens(): void {
    this.#auth?.revoke()
  }

  /** Signed URLs given out so far are answered 403 from now on. */
  expireSignatures(): void {
    this.#signatures = new Set()
  }

  override async start(): Promise<void> {
    await super.start()
    if (this.#redirect !== undefined) await this.cdn.start()
  }

  override async stop(): Promise<void> {
    await Promise.all([super.stop(), this.cdn.stop()])
  }

  #answerAs(request: WireRequest): Answer {
    const refusal = this.#auth?.answer(request)
    if (refusal !== undefined) return refusal
    const answer = this.content.answer(request)
    const digest = /\/blobs\/([^?]+)/.exec(request.target)?.[1]
    if (this.#redirect === undefined || digest === undefined || answer.status >= 400) return answer
    const signature = randomBytes(8).toString('hex')
    this.#signatures.add(signature)
    const location = `${this.cdn.url}/data/${digest}?signature=${signature}`
    return { status: this.#redirect, headers: { Location: location }, body: Buffer.alloc(0) }
  }

  #cdnAnswer(request: WireRequest, options: RegistryOptions): Answer {
    const url = new URL(request.target, this.cdn.url)
    if (!this.#signatures.has(url.searchParams.get('signature') ?? '')) return failure(403, 'EXPIRED')
    const digest = url.pathname.replace('/data/', '')
    return blobAnswer(this.content.blobs.get(digest), digest, request, options)
  }
}

/** Starts one. `await using` it: disposing stops it and resets what is still connected. */
export async function fakeUpstream(options?: FakeUpstreamOptions): Promise<FakeUpstream> {
  const upstream = new FakeUpstream(options)
  await upstream.start()
  return upstream
}
