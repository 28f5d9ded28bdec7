/** What an endpoint is called in status, metrics and errors. */
export function endpointName(upstream: string, url: string): string {
  return `${upstream} (${url})`
}

/** Where the configuration says of an upstream, or an endpoint of that name, what holds for all of it. */
export function upstreamKey(name: string): string {
  return `upstreams.${upstreamIn(name)}`
}

/** Where the configuration says how it is reached: its url, credentials and authorities. */
export function wayKey(name: string): string {
  return upstreamIn(name) === name ? upstreamKey(name) : `${upstreamKey(name)}.endpoints[]`
}

/** The url in the name of an endpoint; undefined = it is the name of an upstream. */
export function endpointUrl(name: string): string | undefined {
  return name === upstreamIn(name) ? undefined : name.slice(upstreamIn(name).length + 2, -1)
}

/** The upstream that an endpoint is one of; the name of an upstream is its own. */
export function upstreamIn(name: string): string {
  const space = name.indexOf(' (')
  return space < 0 ? name : name.slice(0, space)
}
