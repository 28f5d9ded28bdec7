import { imageText } from '../../oci/image-pattern.ts'
import type { Inspect } from '../../ports/operations.ts'
import type { RunReport, Runs, RunTag } from '../../ports/time.ts'

export interface RunReportOptions {
  readonly record: Runs['record']
  readonly inspect: Inspect
}

/** What a run has used, for a lock file; undefined = there is no such run. */
export function createRunReport({ record, inspect }: RunReportOptions) {
  return async function report(run: string): Promise<RunReport | undefined> {
    const found = await record(run)
    if (found === undefined) return undefined
    const images: RunReport['images'][number][] = []
    for (const tag of found.tags) {
      const { repository, digest, at } = tag
      images.push({
        image: imageText({ repository, tag: tag.tag, digest }),
        digest,
        platforms: await platformsOf(tag),
        at: new Date(at).toISOString(),
      })
    }
    return { run, startedAt: new Date(found.startedAt).toISOString(), images }
  }

  /** Those whose manifest the run has read: of an image without an index its own. */
  async function platformsOf({ digest, manifests }: RunTag): Promise<readonly string[]> {
    const content = await inspect(digest)
    const read = new Set([digest, ...manifests])
    const platforms = content?.platforms.filter((platform) => read.has(platform.digest)) ?? []
    return platforms.map(({ platform }) => platform).filter((platform) => /^\w+\//.test(platform))
  }
}
