import type { RepositoryName } from '../oci/reference.ts'

/** A key for what one repository of one upstream says about `subject`; no two triples share one, as no name has a space. */
export function contentKey({ upstream, name }: RepositoryName, subject: string): string {
  return `${upstream} ${name} ${subject}`
}
