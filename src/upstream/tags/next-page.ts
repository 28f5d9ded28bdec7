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
  const target = linked(link ?? '') ?? next
  if (target === undefined) return undefined
  const query = URL.parse(target, 'http://upstream/')?.search.slice(1) ?? ''
  return query === '' || query.length > LONGEST ? 'unusable' : { query }
}

const REL = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i

/**
 * The target of the link to the next page (RFC 8288). One that stands alone needs no `rel`: clients take it
 * without, and a list that ends there would be cut. Each byte is looked at once, whatever an upstream sends.
 */
function linked(header: string): string | undefined {
  const links = header.split('<').flatMap((link) => {
    const end = link.indexOf('>')
    if (end < 0) return []
    const [, quoted, bare] = REL.exec(link.slice(end)) ?? []
    return [{ target: link.slice(0, end), rel: (quoted ?? bare)?.toLowerCase().split(/\s+/) }]
  })
  const next = links.find(({ rel }) => rel?.includes('next'))
  if (next !== undefined) return next.target
  if (links.length === 1 && links[0]!.rel === undefined) return links[0]!.target
  // It says that there is one, and not in a way that can be read.
  return links.length === 0 && REL.exec(header)?.slice(1).includes('next') ? '' : undefined
}

/** `query` with `n` replaced; every other byte stays, for a cursor is nobody's business. */
export function withSize(query: string, n: number | undefined): string {
  if (n === undefined) return query
  const others = query.split('&').filter((part) => part !== '' && !/^n(?:=|$)/.test(part))
  return [...others, `n=${n}`].join('&')
}
