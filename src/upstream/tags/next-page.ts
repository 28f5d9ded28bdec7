/** Longer ones are no cursor, and would not fit into our own `Link`. */
const LONGEST = 4096

/**
 * Where the next page is: the query to ask our own address with, cursor untouched. Only the query counts,
 * never scheme, host or path: registries behind proxies name ones that lead nowhere
 * (sonatype/nexus-public#1011, renovate#35917), and what leads elsewhere must not be followed
 * (GHSA-h7vf-4x9w-h99v).
 *
 * `link` is the value of the `Link` header, `next` what the body says, for registries that say it there.
 *
 * @returns undefined when there is no next page; 'unusable' when there is one that cannot be asked for
 */
export function nextPage(
  link: string | undefined,
  next: string | undefined,
): { readonly query: string } | 'unusable' | undefined {
  const target = /<([^>]*)>[^,]*;\s*rel="?next"?/i.exec(link ?? '')?.[1] ?? next
  if (target === undefined) return undefined
  const query = URL.parse(target, 'http://upstream/')?.search.slice(1) ?? ''
  return query === '' || query.length > LONGEST ? 'unusable' : { query }
}

/** `query` with `n` replaced; every other byte stays, for a cursor is nobody's business. */
export function withSize(query: string, n: number | undefined): string {
  if (n === undefined) return query
  const others = query.split('&').filter((part) => part !== '' && !/^n(?:=|$)/.test(part))
  return [...others, `n=${n}`].join('&')
}
