import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** A key for what one repository of one upstream says about `subject`. Names have no space, so that no two triples share one. */
export function contentKey({ upstream, name }: RepositoryName, subject: string): string {
  return `${upstream} ${name} ${subject}`
}

export function repositoryKey({ upstream, name }: RepositoryName): string {
  return `${upstream} ${name}`
}

export function blobKey(repository: RepositoryName, digest: Digest): string {
  return contentKey(repository, `blob ${digest}`)
}
