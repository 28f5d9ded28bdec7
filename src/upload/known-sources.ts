import type { UploadSource, UploadSources } from '../ports/moving/upload-sources.ts'
import { rankSources } from './upload-policy.ts'
import type { UploadRequest } from './upload-request.ts'

type Wanted = Pick<UploadRequest, 'destination' | 'repository' | 'digest'>

/** What is remembered of where a destination has a blob. A memory that fails only costs bytes. */
export interface KnownSources {
  of(wanted: Wanted): Promise<{ readonly sources: readonly UploadSource[]; readonly isKnown: boolean }>
  /** The repository has it. */
  add(wanted: Wanted): Promise<void>
  /** The destination has answered, and not mounted it. */
  mountFailed(wanted: Wanted, from: UploadSource): Promise<void>
}

export function knownSources(memory: UploadSources, failed: (error: unknown) => void): KnownSources {
  const forgive = (error: unknown): undefined => void failed(error)

  return {
    async of(wanted) {
      const { destination, repository, digest } = wanted
      const all = (await memory.of(destination.name, digest).catch(forgive)) ?? []
      return {
        sources: rankSources(all, repository, (source) => source.seal === sealOf(wanted, source.repository)),
        isKnown: all.some((source) => source.repository === repository),
      }
    },
    async add(wanted) {
      const { destination, repository, digest } = wanted
      const source = { repository, seal: sealOf(wanted, repository) }
      await memory.add(destination.name, digest, source).catch(forgive)
    },
    async mountFailed(wanted, from) {
      // With other credentials it may be readable all the same.
      if (from.seal !== sealOf(wanted, from.repository)) return
      await memory.remove(wanted.destination.name, wanted.digest, from.repository).catch(forgive)
    },
  }
}

function sealOf({ destination, digest }: Wanted, repository: string): string {
  return destination.seal(`${digest} ${repository}`)
}
