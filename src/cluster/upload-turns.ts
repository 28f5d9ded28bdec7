import type { UploadTurns } from '../ports/cluster.ts'
import type { Leases } from './leases.ts'

/** One replica at a time uploads a blob that several have; each of them while the database is away. */
export function uploadTurns({ claim, release }: Pick<Leases, 'claim' | 'release'>): UploadTurns {
  return {
    take: async (digest) => ((await claim(keyOf(digest))) ?? 'own') === 'own',
    give: (digest) => release(keyOf(digest)),
  }
}

function keyOf(digest: string): string {
  return `upload ${digest}`
}
