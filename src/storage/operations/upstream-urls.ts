import type { Query } from '../index/sql.ts'

interface Served {
  readonly url: string
  /** Epoch milliseconds; 0 = always. */
  readonly since: number
}

/**
 * Records where each upstream is now.
 *
 * @returns since when it is there: tags that were confirmed before are those of another registry
 */
export function recordUrls(
  transact: Query,
  urls: ReadonlyMap<string, string>,
  now: () => number,
): Promise<ReadonlyMap<string, number>> {
  return transact((sql) => {
    const since = new Map<string, number>()
    for (const [upstream, url] of urls) {
      const key = `url ${upstream}`
      const text = sql.getMeta.get(key)?.['value']
      const known = text === undefined ? undefined : (JSON.parse(String(text)) as Served)
      const served = known?.url === url ? known : { url, since: known === undefined ? 0 : now() }
      if (served !== known) sql.setMeta.run(key, JSON.stringify(served))
      since.set(upstream, served.since)
    }
    return since
  })
}
