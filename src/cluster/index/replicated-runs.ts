import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import { SHARED_INDEX } from '../../ports/cluster.ts'
import type { RunCopies, Runs } from '../../ports/time.ts'
import type { SharedRuns } from './shared-runs.ts'

/**
 * The runs of all replicas: the first resolve of a tag in a run is every job's, on whichever replica. The
 * database decides. What it has chosen is kept here, and answers without it: a choice does not change.
 *
 * What is not known here while the database is away cannot be told: two replicas might choose two digests.
 */
export function replicatedRuns(local: Runs & RunCopies, shared: SharedRuns): Runs {
  return {
    async chosen(run, repository, tag) {
      const known = await local.chosen(run, repository, tag)
      if (known !== undefined) return known
      const found = await shared.chosen(run, repository, tag).catch(unknown)
      if (found === undefined) return undefined
      await local.keep(found, { repository, tag, digest: found.digest, at: found.at })
      return found.digest
    },
    async choose(run, client, choice) {
      const chosen = await shared.choose(run, client, choice).catch(unknown)
      if (chosen === 'full') return 'full'
      await local.keep(chosen, { ...choice, digest: chosen.digest, at: chosen.at })
      return chosen.digest
    },
    async pulled(run, repository, digest) {
      const isNew = await local.pulled(run, repository, digest)
      if (isNew === undefined) return undefined
      const start = await shared.pulled(run, repository, digest)
      // The tag was resolved on another replica.
      if (isNew === 'run' && start !== undefined)
        await local.keep(start, { repository, tag: '', digest, at: start.startedAt })
      return isNew
    },
    record: (run) => shared.record(run).catch(unknown),
  }
}

/** @throws RegistryError STORAGE that says why it cannot be told */
function unknown(cause: unknown): never {
  if (!isRegistryError(cause, 'STORAGE')) throw cause
  const reason = `a run is the same on all replicas, and their database does not answer (${cause.detail['reason']})`
  throw new RegistryError('STORAGE', { operation: SHARED_INDEX, reason }, { cause })
}
