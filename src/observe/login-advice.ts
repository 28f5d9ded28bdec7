import { wayKey } from '../util/endpoint-name.ts'

/** What to do about credentials that an upstream refuses. `pattern`: they are those of these repositories. */
export function loginAdvice(upstream: string, pattern: string | undefined): string {
  return pattern === undefined
    ? `correct the credentials of ${wayKey(upstream)}`
    : `correct those of ${pattern} in ${wayKey(upstream)}.credentials`
}

/** The same in words that follow the name of the upstream. */
export function refusedText(pattern: string | undefined): string {
  return `refuses the configured credentials${pattern === undefined ? '' : ` of ${pattern}`}`
}
