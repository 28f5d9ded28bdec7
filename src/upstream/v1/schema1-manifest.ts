import type { Manifest } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { DOCKER_SCHEMA1 } from '../../oci/media-types.ts'
import { parseJsonObject } from '../../util/json-object.ts'
import { LIMITS } from '../body/limits.ts'
import { manifestOf } from '../body/manifest-type.ts'
import type { ChainLink } from './image-chain.ts'

/**
 * An image of the first protocol as an unsigned manifest of schema 1, which carries the same JSON: the same
 * bytes for the same image, under whatever tag. `layers` stand beside the chain, newest first.
 *
 * @returns what is wrong with it, as a clause
 */
export async function schema1Manifest(
  name: string,
  chain: readonly ChainLink[],
  layers: readonly Digest[],
): Promise<Manifest | { readonly problem: string }> {
  const [newest] = chain
  const { architecture } = parseJsonObject(newest!.json) ?? {}
  const body = Buffer.from(
    JSON.stringify(
      {
        schemaVersion: 1,
        name,
        tag: newest!.id,
        architecture: typeof architecture === 'string' && architecture !== '' ? architecture : 'amd64',
        fsLayers: layers.map((blobSum) => ({ blobSum })),
        history: chain.map(({ json }) => ({ v1Compatibility: json })),
      },
      undefined,
      3,
    ),
  )
  if (body.length > LIMITS.manifest) return { problem: `its manifest would have ${body.length} bytes` }
  return manifestOf(body, DOCKER_SCHEMA1)
}
