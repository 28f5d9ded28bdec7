import { parseManifest } from '../oci/manifest-json.ts'
import { type Part, partsIn } from '../oci/manifest-parts.ts'
import { blobFile } from './layout.ts'

/** An image that `docker load` of a graph driver takes. */
export interface DockerImage {
  readonly Config: string
  readonly RepoTags: readonly string[]
  readonly Layers: readonly string[]
}

/** The platform of this machine, then the commonest. */
const PREFERRED = [`linux/${{ x64: 'amd64' }[process.arch as string] ?? process.arch}`, 'linux/amd64']

/** Of several platforms the one that such an engine is likeliest to run on. */
export function likeliest<T extends { readonly platform: string | undefined }>(
  all: readonly T[],
): T | undefined {
  for (const wanted of PREFERRED) {
    const found = all.find(({ platform }) => platform?.startsWith(wanted) === true)
    if (found !== undefined) return found
  }
  return all[0]
}

/** @returns undefined for what is no image of layers: an artifact, an index */
export function dockerImage(body: Buffer, name: string): DockerImage | undefined {
  const { config: entry, layers } = parseManifest(body) ?? {}
  const { mediaType } = Object(entry) as { readonly mediaType?: unknown }
  if (typeof mediaType !== 'string' || !CONFIGS.has(mediaType) || !Array.isArray(layers)) return undefined
  const [config, ...rest] = partsOf(body)
  if (config === undefined) return undefined
  return {
    Config: blobFile(config.digest),
    RepoTags: [name],
    Layers: rest.map(({ digest }) => blobFile(digest)),
  }
}

const CONFIGS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
])

/** With repeated layers, which `partsIn` has once. */
function partsOf(body: Buffer): readonly Part[] {
  const known = new Map(partsIn(body).content.map((part) => [part.digest as string, part]))
  const { config, layers } = parseManifest(body) as { config: unknown; layers: unknown[] }
  return [config, ...layers].flatMap((one) => known.get(String(Object(one).digest)) ?? [])
}
