import type { Digest } from '../../src/oci/digest.ts'
import type { UploadSource, UploadSources } from '../../src/ports/moving/upload-sources.ts'
import { UploadManager } from '../../src/upload/manager.ts'
import type { UploadPolicy } from '../../src/upload/upload-policy.ts'
import {
  destinationClient,
  type DestinationOptions,
} from '../../src/upstream/destination/destination-client.ts'
import type { Blob } from '../support/fixtures.ts'

/** As the index remembers, without its bounds. */
export function memorySources(): UploadSources & { readonly all: Map<string, UploadSource[]> } {
  const all = new Map<string, UploadSource[]>()
  const without = (key: string, repository: string) =>
    (all.get(key) ?? []).filter((source) => source.repository !== repository)
  return {
    all,
    of: async (registry, digest) => all.get(`${registry} ${digest}`) ?? [],
    async add(registry, digest, source) {
      const key = `${registry} ${digest}`
      all.set(key, [source, ...without(key, source.repository)])
    },
    async remove(registry, digest, repository) {
      const key = `${registry} ${digest}`
      all.set(key, without(key, repository))
    },
  }
}

export interface UploadRig extends AsyncDisposable {
  readonly manager: UploadManager
  readonly memory: ReturnType<typeof memorySources>
  readonly destination: ReturnType<typeof destinationClient>
  /** Uploads a blob to a repository. */
  upload(blob: Blob, repository?: string, signal?: AbortSignal): ReturnType<UploadManager['upload']>
  /** How often bytes were opened. */
  readonly opened: Digest[]
}

export function uploadRig(
  url: string,
  {
    policy,
    uploads = 5,
    ...options
  }: Partial<DestinationOptions> & { policy?: Partial<UploadPolicy>; uploads?: number } = {},
): UploadRig {
  const memory = memorySources()
  const opened: Digest[] = []
  const manager = new UploadManager({
    policy: { retryDelay: 5, chunk: 256 * 1024, ...policy },
    memory,
    uploads: () => uploads,
    failed: (error) => {
      throw error
    },
  })
  const destination = destinationClient({
    url,
    timeouts: { connect: 1_000, response: 5_000, idle: 5_000, commit: 5_000 },
    ...options,
  })
  return {
    manager,
    memory,
    destination,
    opened,
    upload({ bytes, digest }, repository = 'cache/app', signal) {
      const open = async () => {
        opened.push(digest)
        return { descriptor: { mediaType: 'application/octet-stream', digest, size: bytes.length }, bytes }
      }
      return manager.upload({ destination, repository, digest, size: bytes.length, open }, signal)
    },
    async [Symbol.asyncDispose]() {
      await manager[Symbol.asyncDispose]()
      await destination.close()
    },
  }
}
