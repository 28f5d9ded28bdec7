import type { Content } from '../oci/descriptor.ts'
import { digestOf } from '../oci/digest.ts'
import { DOCKER_MANIFEST } from '../oci/media-types.ts'
import type { MeasuredLayer } from './measured-layer.ts'
import { InvalidImageError } from './invalid-image.ts'
import { type ImageLink, isDate } from './read-chain.ts'

/** An image in schema 2. */
export interface ConvertedImage {
  readonly manifest: Content
  readonly config: Content
}

export const CONFIG_TYPE = 'application/vnd.docker.container.image.v1+json'
const LAYER_TYPE = 'application/vnd.docker.image.rootfs.diff.tar'

/** What clients read of a manifest or a config at most: containerd's `MaxManifestSize`, less a margin. */
const LONGEST = 4 * 1024 * 1024

/**
 * Keys of the image JSON that describe a layer, or that schema 2 has another value for. Go reads keys in any
 * case, so they are compared in lower case.
 */
const DROPPED = new Set(
  'id parent size parent_id layer_id throwaway architecture os created rootfs history'.split(' '),
)

/**
 * Makes config and manifest of an image, as Docker did when it pulled schema 1. The bytes follow from the
 * arguments alone.
 *
 * @param chain newest first
 * @param layers beside the chain; undefined where it says that the layer is empty
 * @throws RegistryError UPSTREAM_INVALID
 */
export function convertImage(
  chain: readonly ImageLink[],
  layers: readonly (MeasuredLayer | undefined)[],
  architecture = 'amd64',
): ConvertedImage {
  const present: MeasuredLayer[] = []
  const history: object[] = []
  for (const [i, link] of [...chain.entries()].toReversed()) {
    const layer = link.isEmpty ? undefined : layers[i]
    const hasFiles = layer?.isEmpty === false
    if (hasFiles) present.push(layer)
    history.push(hasFiles ? link.history : { ...link.history, empty_layer: true })
  }
  const config = contentOf(CONFIG_TYPE, {
    ...platformAndRest(chain[0]!, architecture),
    rootfs: { type: 'layers', diff_ids: present.map(({ diffId }) => diffId) },
    history,
  })
  const manifest = contentOf(DOCKER_MANIFEST, {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: config.descriptor,
    layers: present.map(({ digest, size, isGzip }) => ({
      mediaType: isGzip ? `${LAYER_TYPE}.gzip` : LAYER_TYPE,
      size,
      digest,
    })),
  })
  return { manifest, config }
}

/** The newest image JSON is that of the image. Clients match the platform, which old ones do not all name. */
function platformAndRest({ json }: ImageLink, architecture: string): Record<string, unknown> {
  const { architecture: own, os, created } = json
  const rest = Object.entries(json).filter(([key]) => !DROPPED.has(key.toLowerCase()))
  return {
    ...Object.fromEntries(rest),
    architecture: isName(own) ? own : architecture,
    os: isName(os) ? os : 'linux',
    ...(isDate(created) && { created }),
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function contentOf(mediaType: string, document: object): Content {
  const bytes = Buffer.from(JSON.stringify(document))
  if (bytes.length > LONGEST) throw new InvalidImageError(`it would become longer than ${LONGEST} bytes`)
  return { descriptor: { mediaType, size: bytes.length, digest: digestOf(bytes) }, bytes }
}
