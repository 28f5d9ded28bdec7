import { type Digest, parseDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { isRepositoryName, parseReference, type Reference } from '../oci/reference.ts'

/** What a request path of the distribution spec means (spec.md v1.1.1 "Endpoints"). `name` may still begin with an upstream. */
export type RequestPath =
  | { readonly kind: 'ping' }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: Reference }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: Digest }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: Digest }

const ROUTES = /^\/v2\/(.+)\/(?:(manifests|blobs|referrers)\/([^/]+)|tags\/list)$/

/**
 * Parses the raw path, before any decoding: the grammar has no character that needs escaping, so a `%`, a backslash, an empty
 * or a dot segment can only be a mistake or an attack.
 *
 * @returns undefined when it is no path of the spec.
 * @throws RegistryError NAME_INVALID, DIGEST_INVALID, TAG_INVALID when it is one with a malformed part.
 */
export function parseRequestPath(path: string): RequestPath | undefined {
  if (path === '/v2/' || path === '/v2') return { kind: 'ping' }
  const match = ROUTES.exec(path)
  if (match === null) return undefined
  const [, name, kind, reference] = match as unknown as [string, string, string | undefined, string]
  if (!isRepositoryName(name)) throw new RegistryError('NAME_INVALID', { name: name.slice(0, 300) })
  switch (kind) {
    case 'manifests':
      return { kind: 'manifest', name, reference: parseReference(reference) }
    case 'blobs':
      return { kind: 'blob', name, digest: parseDigest(reference) }
    case 'referrers':
      return { kind: 'referrers', name, digest: parseDigest(reference) }
    default:
      return { kind: 'tags', name }
  }
}
