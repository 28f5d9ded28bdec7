import type { MiddlewareHandler } from 'hono'
import { type AdminEnv, refuse } from './refuse.ts'

/**
 * Refuses bodies of more than `most` bytes, or of what `byPath` says, and those whose length is not told.
 * Hono's own limit fails on requests that say nothing of a body, such as a DELETE of curl, since their web
 * Request is not Node's.
 */
export function limitBodies(
  most: number,
  byPath: Readonly<Record<string, number>> = {},
): MiddlewareHandler<AdminEnv> {
  return (c, next) => {
    const limit = byPath[c.req.path] ?? most
    if (limit === Infinity) return next()
    const { 'content-length': length = '0', 'transfer-encoding': encoding } = c.env.incoming.headers
    if (encoding !== undefined) refuse(411, 'the request needs a Content-Length')
    if (Number(length) > limit) refuse(413, `request body exceeds ${limit} bytes`)
    return next()
  }
}
