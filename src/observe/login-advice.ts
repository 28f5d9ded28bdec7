/** What to do about credentials that an upstream refuses. `pattern`: they are those of these repositories. */
export function loginAdvice(upstream: string, pattern: string | undefined): string {
  return pattern === undefined
    ? `correct the credentials of upstreams.${upstream}`
    : `correct those of ${pattern} in upstreams.${upstream}.credentials`
}

/** The same in words that follow the name of the upstream. */
export function refusedText(pattern: string | undefined): string {
  return `refuses the configured credentials${pattern === undefined ? '' : ` of ${pattern}`}`
}
