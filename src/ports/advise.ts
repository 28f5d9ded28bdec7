import type { CacheStatus } from './read-options.ts'

/**
 * What a person who pulls should know of the answer for a tag: at most 200 printable characters of ASCII.
 *
 * @returns undefined where there is nothing to say, or this client was told
 */
export type Advise = (client: string, upstream: string, status: CacheStatus | undefined) => string | undefined
