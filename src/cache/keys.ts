import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** The key of `subject` in one repository of one upstream. It is unique, because names have no space. */
export function contentKey({ upstream, name }: RepositoryName, subject: string): string {
  return `${upstream} ${name} ${subject}`
}

export function repositoryKey({ upstream, name }: RepositoryName): string {
  return `${upstream} ${name}`
}

export function blobKey(repository: RepositoryName, digest: Digest): string {
  return contentKey(repository, `blob ${digest}`)
}
