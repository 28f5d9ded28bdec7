import type { ReadOptions } from '../ports/read-options.ts'
import type { Registry, Repository } from '../ports/repository.ts'

/** The same registry for jobs of an operator: what they read are no hits of clients. */
export function forJobs(registry: Pick<Registry, 'find'>): Pick<Registry, 'find'> {
  return {
    find(address) {
      const found = registry.find(address)
      return found && readByJob(found)
    },
  }
}

function readByJob({ blobs, manifests, ...others }: Repository): Repository {
  return {
    ...others,
    blobs: {
      stat: (digest, options) => blobs.stat(digest, byJob(options)),
      open: (digest, options) => blobs.open(digest, byJob(options)),
    },
    manifests: { get: (digest, options) => manifests.get(digest, byJob(options)) },
  }
}

function byJob(options: ReadOptions | undefined): ReadOptions {
  return { ...options, isByJob: true }
}
