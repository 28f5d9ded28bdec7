import type { Manifest } from '../oci/descriptor.ts'
import { isDigest } from '../oci/digest.ts'
import { MANIFEST_ACCEPT } from '../oci/media-types.ts'
import type { ResolvedTag } from '../ports/upstream.ts'
import { LIMITS } from './body/limits.ts'
import { manifestOf } from './body/manifest-type.ts'
import { invalidAnswer, refusal } from './failures.ts'
import { ABSENT, HEAD_REFUSED, type RepositoryRequests } from './repository-requests.ts'
import { discard, headerOf } from './requests.ts'

/**
 * Fetches a manifest, by digest with kind `manifest`, by tag with kind `tag`. It is verified against the
 * digest that is known.
 */
export async function fetchManifest(
  requests: RepositoryRequests,
  kind: 'manifest' | 'tag',
  reference: string,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  const headers = { accept: MANIFEST_ACCEPT }
  const response = await requests.get(kind, `manifests/${reference}`, { headers, signal })
  if (ABSENT.has(response.status)) return discard(response)
  const body = await requests.read(response, LIMITS.manifest)
  const stated = kind === 'manifest' ? reference : headerOf(response, 'docker-content-digest')
  const expected = stated !== undefined && isDigest(stated) ? stated : undefined
  const manifest = manifestOf(body, headerOf(response, 'content-type'), expected)
  if ('problem' in manifest) throw invalidAnswer(requests.upstream, manifest.problem)
  return manifest
}

/** Resolves a tag by HEAD, and by GET where the upstream refuses HEAD or leaves the digest out. */
export async function resolveTag(
  requests: RepositoryRequests,
  tag: string,
  signal: AbortSignal,
): Promise<ResolvedTag | undefined> {
  const headers = { accept: MANIFEST_ACCEPT }
  const head = await requests.head('tag', `manifests/${tag}`, { headers, signal })
  discard(head)
  if (ABSENT.has(head.status)) return undefined
  const digest = headerOf(head, 'docker-content-digest') ?? ''
  if (head.status === 200 && isDigest(digest)) return { digest }
  if (head.status !== 200 && !HEAD_REFUSED.has(head.status)) throw await refusal(requests.upstream, head)
  const manifest = await fetchManifest(requests, 'tag', tag, signal)
  return manifest && { digest: manifest.descriptor.digest, manifest }
}
