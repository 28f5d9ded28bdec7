import type { JsonObject } from '../../util/json-object.ts'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  DOCKER_SCHEMA1,
  DOCKER_SCHEMA1_SIGNED,
  essenceOf,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../oci/media-types.ts'

/**
 * The media type a manifest is stored and served under, or the contradiction in it (CVE-2021-41190): bytes
 * that one client reads as an image and another as an index are refused.
 */
export function mediaTypeOf(
  document: JsonObject | undefined,
  contentType: string | undefined,
): { readonly mediaType: string } | { readonly problem: string } {
  if (document === undefined) return { problem: 'manifest is not a JSON object' }
  const isIndex = 'manifests' in document
  const isImage = 'layers' in document || 'fsLayers' in document
  if (isIndex && isImage) return { problem: 'manifest is both image and index' }

  const stated = typeof document['mediaType'] === 'string' ? document['mediaType'] : undefined
  const essence = essenceOf(contentType)
  const sent = essence !== undefined && GENERIC.has(essence) ? undefined : essence
  if (sent !== undefined && stated !== undefined && sent !== stated.toLowerCase()) {
    return { problem: 'manifest is of another media type than Content-Type says' }
  }
  const mediaType = sent ?? essenceOf(stated) ?? inferred(document)
  if (mediaType === undefined) return { problem: 'manifest without a media type' }
  const isOther = isIndex ? IMAGES.has(mediaType) : isImage && INDEXES.has(mediaType)
  // Other repositories share the bytes and their type, so the type must follow from the bytes.
  const isMadeUp = stated === undefined && !(typesOf(document)?.has(mediaType) ?? true)
  if (isOther || isMadeUp) return { problem: 'manifest is not what its media type says' }
  if (!MANIFEST_TYPE.test(mediaType) && mediaType !== DOCKER_SCHEMA1_SIGNED) {
    return { problem: 'the media type is not that of a manifest' }
  }
  if (typeof document['schemaVersion'] !== 'number' && !ARTIFACTS.has(mediaType)) {
    return { problem: 'manifest without schemaVersion' }
  }
  return { mediaType }
}

/**
 * Some registries, gateways and file servers label every answer so; the body then says what it is (kaniko#298).
 */
const GENERIC = new Set(['application/json', 'application/octet-stream', 'binary/octet-stream', 'text/plain'])

/** Other JSON documents, such as those of a metadata service, are not served as manifests (SEC-75). */
const MANIFEST_TYPE = /^application\/.*json/
/** Manifests of artifacts that never had a `schemaVersion`. */
const ARTIFACTS = new Set([
  'application/vnd.oci.artifact.manifest.v1+json',
  'application/vnd.cncf.oras.artifact.manifest.v1+json',
])

const INDEXES = new Set([OCI_INDEX, DOCKER_LIST])
const MANIFESTS = new Set([OCI_MANIFEST, DOCKER_MANIFEST])
const SCHEMA1 = new Set([DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED])
const IMAGES = MANIFESTS.union(SCHEMA1)

/** The types that a document without `mediaType` may have. Undefined: any. */
function typesOf(document: object): ReadonlySet<string> | undefined {
  if ('manifests' in document) return INDEXES
  if ('layers' in document) return MANIFESTS
  return 'fsLayers' in document ? SCHEMA1 : undefined
}

/** Only the OCI types may omit `mediaType`, and schema 1, which never had it. */
function inferred(document: JsonObject): string | undefined {
  if ('manifests' in document) return OCI_INDEX
  if ('layers' in document) return OCI_MANIFEST
  if ('fsLayers' in document) return 'signatures' in document ? DOCKER_SCHEMA1_SIGNED : DOCKER_SCHEMA1
  return undefined
}
