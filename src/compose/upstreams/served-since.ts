import type { Config } from '../../config/load-config.ts'
import type { FilesystemStore } from '../../storage/filesystem-store.ts'

/** Since when each configured upstream is where it is now, in epoch milliseconds. */
export async function servedSince(
  { upstreams }: Pick<Config, 'upstreams'>,
  { recordUrls }: Pick<FilesystemStore, 'recordUrls'>,
  failed: (error: unknown) => void,
): Promise<ReadonlyMap<string, number>> {
  try {
    return await recordUrls(new Map(Object.values(upstreams).map(({ name, url }) => [name, url])))
  } catch (error) {
    // A store that does not tell where an upstream was has to be believed.
    failed(error)
    return new Map()
  }
}
