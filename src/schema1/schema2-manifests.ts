import type { Manifest } from '../oci/descriptor.ts'
import { RegistryError } from '../oci/errors.ts'
import { DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED } from '../oci/media-types.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { ManifestProvider, Repository } from '../ports/repository.ts'
import { whenKnown } from '../util/async/maybe.ts'
import type { Converter } from './converter.ts'

/**
 * The manifests of a repository, for clients that refuse schema 1: it is converted for them where there is a
 * converter, and does not exist for them otherwise.
 */
export function schema2Manifests(
  repository: Pick<Repository, 'name' | 'blobs' | 'manifests'>,
  converter: Converter | undefined,
): ManifestProvider {
  const { name, manifests } = repository
  return {
    get(digest, options) {
      return whenKnown(manifests.get(digest, options), (manifest) =>
        manifest !== undefined && options !== undefined && isRefused(manifest, options)
          ? converted(manifest, options)
          : manifest,
      )
    },
  }

  /** What the client takes is read for schema 1 only: an answer for which it was read says so in `Vary`. */
  function isRefused({ descriptor: { mediaType } }: Manifest, options: ReadOptions): boolean {
    if (mediaType !== DOCKER_SCHEMA1_SIGNED && mediaType !== DOCKER_SCHEMA1) return false
    const { refusesSchema1 } = options
    if (mediaType === DOCKER_SCHEMA1_SIGNED) return refusesSchema1 === true
    // Whoever wants it signed may still have a use for it where there is nothing else.
    return refusesSchema1 === true || (refusesSchema1 === 'unsigned' && converter !== undefined)
  }

  async function converted(manifest: Manifest, options: ReadOptions): Promise<Manifest | undefined> {
    if (converter === undefined) {
      throw new RegistryError('MANIFEST_UNKNOWN', {
        reason:
          'it is an image of schema 1, which this client does not take; ' +
          `\`schema1: convert\` under upstreams.${name.upstream} has it converted`,
      })
    }
    // How the answer came about was told with what it was made of.
    return manifests.get(await converter.convert(repository, manifest, options))
  }
}
