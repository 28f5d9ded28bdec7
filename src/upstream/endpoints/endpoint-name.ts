/** What an endpoint is called in status, metrics and errors. */
export function endpointName(upstream: string, url: string): string {
  return `${upstream} (${url})`
}
