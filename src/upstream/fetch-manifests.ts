import type { Manifest } from '../oci/descriptor.ts'
import { isDigest } from '../oci/digest.ts'
import { MANIFEST_ACCEPT } from '../oci/media-types.ts'
import type { ResolvedTag } from '../ports/upstream.ts'
import { LIMITS } from './body/limits.ts'
import { invalidAnswer, refusal } from './failures.ts'
import type { HeadHabits } from './head-habits.ts'
import { ABSENT, PASSING, type RepositoryRequests } from './repository-requests.ts'
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
  const body = await requests.readHashed(response, LIMITS.manifest)
  const stated = kind === 'manifest' ? reference : headerOf(response, 'docker-content-digest')
  const expected = stated !== undefined && isDigest(stated) ? stated : undefined
  const manifest = await requests.manifestOf(body, headerOf(response, 'content-type'), expected)
  if ('problem' in manifest) throw invalidAnswer(requests.upstream, manifest.problem)
  return manifest
}

export interface ResolveOptions {
  readonly habits: HeadHabits
  readonly signal: AbortSignal
  /**
   * Believes the HEAD of an upstream whose HEAD has been right so far when it says that there is no such tag.
   */
  readonly believesAbsence?: boolean
}

/**
 * Resolves a tag by HEAD. Where HEAD is refused, says no digest, or denies that the tag exists, GET decides:
 * registries answer HEAD with every status while GET is fine. A limit and an outage are no such answer.
 */
export async function resolveTag(
  requests: RepositoryRequests,
  tag: string,
  { habits, signal, believesAbsence = false }: ResolveOptions,
): Promise<ResolvedTag | undefined> {
  const isAsked = !habits.isOdd('manifest')
  if (isAsked) {
    const headers = { accept: MANIFEST_ACCEPT }
    const head = await requests.head('tag', `manifests/${tag}`, { headers, signal })
    discard(head)
    const digest = headerOf(head, 'docker-content-digest') ?? ''
    if (head.status === 200 && isDigest(digest)) {
      habits.right('manifest')
      return { digest }
    }
    if (ABSENT.has(head.status) && believesAbsence && habits.isReliable('manifest')) return undefined
    if (PASSING.has(head.status)) throw await refusal(requests.upstream, head)
  }
  const manifest = await fetchManifest(requests, 'tag', tag, signal)
  if (manifest === undefined) return undefined
  if (isAsked) habits.contradicted('manifest')
  return { digest: manifest.descriptor.digest, manifest }
}
