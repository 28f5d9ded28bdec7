import { createHash } from 'node:crypto'
import { FakeListener, type ListenerOptions } from './fake-upstream/listener.ts'
import { failure, json } from './fake-upstream/registry.ts'
import type { Answer, WireRequest } from './fake-upstream/wire.ts'
import type { OldLayer } from './schema1.ts'

export interface FakeV1Options extends ListenerOptions {
  /** What `X-Docker-Endpoints` says. Without it, it does not send the header, and has the images itself. */
  readonly endpoints?: () => string
  /** The index wants this login, and so does the rest with `everywhere`, as behind a proxy that asks for it. */
  readonly login?: { readonly basic: string; readonly everywhere?: boolean }
  /** Honours `Range` on layers. */
  readonly ranges?: boolean
}

interface StoredImage {
  readonly json: string
  readonly ancestry: readonly string[]
  readonly layer: Buffer
}

const TOKEN = 'signature=a1b2c3,repository="library/old",access=read'

/**
 * A registry on 127.0.0.1 that speaks the first protocol as its documentation has it
 * (docs.docker.com/v1.6/reference/api/registry_api): an index that gives out tokens, and an endpoint that wants
 * them.
 */
export class FakeV1 extends FakeListener {
  /** It accepts this, and gives it out. */
  token = TOKEN
  readonly #options: FakeV1Options
  readonly #tags = new Map<string, Map<string, string>>()
  readonly #images = new Map<string, StoredImage>()

  constructor(options: FakeV1Options = {}) {
    super((request) => this.#answerTo(request), options)
    this.#options = options
  }

  /** `layers` come oldest first. @returns the ids of the images, newest first */
  addImage(repository: string, tag: string, layers: readonly OldLayer[]): readonly string[] {
    const ids: string[] = []
    for (const [i, { blob, json: own }] of layers.entries()) {
      if (typeof blob === 'string') throw new Error('a layer of this registry is bytes')
      const parent = ids[0]
      const id = idOf(`${repository} ${i} ${createHash('sha256').update(blob).digest('hex')} ${parent}`)
      ids.unshift(id)
      const document = {
        id,
        ...(parent !== undefined && { parent }),
        created: '2014-04-01T12:00:00.123456789Z',
        container_config: { Cmd: ['/bin/sh', '-c', `step ${i}`] },
        architecture: 'amd64',
        os: 'linux',
        Size: 1,
        ...own,
      }
      this.#images.set(id, { json: JSON.stringify(document), ancestry: [...ids], layer: blob })
    }
    const tags = this.#tags.get(repository) ?? new Map<string, string>()
    this.#tags.set(repository, tags.set(tag, ids[0]!))
    return ids
  }

  #answerTo({ target, headers }: WireRequest): Answer {
    const [path = ''] = target.split('?')
    if (path === '/v1/_ping') return json(true, { 'X-Docker-Registry-Version': '0.9.1' })
    const { login } = this.#options
    const isLoggedIn = login !== undefined && headers['authorization'] === `Basic ${login.basic}`
    if (login?.everywhere === true && !isLoggedIn) return wantsLogin()
    const [, repository, ofRepository] =
      /^\/v1\/repositories\/(.+?)\/(images|tags(?:\/[^/]+)?)$/.exec(path) ?? []
    const [, id, ofImage] = /^\/v1\/images\/([^/]+)\/(ancestry|json|layer)$/.exec(path) ?? []
    if (ofRepository === 'images') {
      if (login !== undefined && !isLoggedIn) return wantsLogin()
      const tags = this.#tags.get(repository!)
      if (tags === undefined) return failure(404, 'Repository not found')
      return json(
        [...new Set([...tags.values()].flatMap((tip) => this.#images.get(tip)!.ancestry))].map((each) => ({
          id: each,
        })),
        {
          ...(headers['x-docker-token'] === 'true' && { 'X-Docker-Token': this.token }),
          ...(this.#options.endpoints && { 'X-Docker-Endpoints': this.#options.endpoints() }),
        },
      )
    }
    const isKnown = headers['authorization'] === `Token ${this.token}` || login?.everywhere === true
    if (!isKnown) return failure(401, 'Requires authorization')
    if (ofRepository !== undefined) {
      const tags = this.#tags.get(repository!)
      const tag = ofRepository.split('/')[1]
      if (tags === undefined) return failure(404, 'Repository not found')
      if (tag === undefined) return json(Object.fromEntries(tags))
      return tags.has(tag) ? json(tags.get(tag)) : failure(404, 'Tag not found')
    }
    const image = this.#images.get(id ?? '')
    if (image === undefined) return failure(404, 'Image not found')
    if (ofImage === 'ancestry') return json(image.ancestry)
    if (ofImage === 'layer') return this.#layer(image.layer, headers['range'])
    return {
      status: 200,
      headers: { 'Content-Type': 'application/json', 'X-Docker-Size': String(image.layer.length) },
      body: Buffer.from(image.json),
    }
  }

  #layer(layer: Buffer, range: string | undefined): Answer {
    const isRanged = this.#options.ranges !== false
    const type = { 'Content-Type': 'application/octet-stream', ...(isRanged && { 'Accept-Ranges': 'bytes' }) }
    const start = Number(/^bytes=(\d+)-$/.exec((isRanged && range) || '')?.[1] ?? 0)
    if (start === 0) return { status: 200, headers: type, body: layer }
    return {
      status: 206,
      headers: { ...type, 'Content-Range': `bytes ${start}-${layer.length - 1}/${layer.length}` },
      body: layer.subarray(start),
    }
  }
}

export async function fakeV1(options?: FakeV1Options): Promise<FakeV1> {
  const fake = new FakeV1(options)
  await fake.start()
  return fake
}

function wantsLogin(): Answer {
  return failure(401, 'Unauthorized', { 'WWW-Authenticate': 'Basic realm="old"' })
}

export function idOf(seed: string): string {
  return createHash('sha256').update(seed).digest('hex')
}
