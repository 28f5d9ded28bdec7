import { FakeListener } from '../fake-upstream/listener.ts'
import { RegistryContent } from '../fake-upstream/registry.ts'
import type { Answer, WireRequest } from '../fake-upstream/wire.ts'
import type { Dialect, Layer, Place, Respond } from './layer.ts'

/**
 * A registry of one vendor on 127.0.0.1, with the storage or login service beside it on a port of its own:
 *
 *     await using registry = await fakeRegistry(quay)
 *     registry.content.addManifest('org/app', 'v1', body, OCI_MANIFEST)
 */
export class FakeRegistry extends FakeListener {
  readonly content: RegistryContent
  readonly beside: FakeListener
  readonly dialect: Dialect

  constructor(dialect: Dialect, content = new RegistryContent({ referrers: true })) {
    super((request) => this.#answer(request))
    this.dialect = dialect
    this.content = content
    const { beside = (request, next) => next(request) } = dialect
    this.beside = new FakeListener((request) => beside(request, this.#content, this.#place))
  }

  override async start(): Promise<void> {
    await Promise.all([super.start(), this.beside.start()])
  }

  override async stop(): Promise<void> {
    await Promise.all([super.stop(), this.beside.stop()])
  }

  #answer(request: WireRequest): Answer {
    return stacked(this.dialect.layers, this.#content, this.#place)(request)
  }

  readonly #content: Respond = (request) => this.content.answer(request)

  get #place(): Place {
    return { url: this.url, besides: this.beside.url }
  }
}

/** Starts one. `await using` it: disposing stops it and resets what is still connected. */
export async function fakeRegistry(dialect: Dialect, content?: RegistryContent): Promise<FakeRegistry> {
  const registry = new FakeRegistry(dialect, content)
  await registry.start()
  return registry
}

function stacked(layers: readonly Layer[], innermost: Respond, place: Place): Respond {
  return layers.reduceRight<Respond>((next, layer) => (request) => layer(request, next, place), innermost)
}
