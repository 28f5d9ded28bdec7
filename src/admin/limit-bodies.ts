import type { MiddlewareHandler } from 'hono'
import { type AdminEnv, refuse } from './refuse.ts'

/**
 * Refuses bodies of more than `most` bytes, and those whose length is not told. Hono's own limit fails on
 * requests that say nothing of a body, such as a DELETE of curl, since their web Request is not Node's.
 */
export function limitBodies(most: number): MiddlewareHandler<AdminEnv> {
  return (c, next) => {
    const { 'content-length': length = '0', 'transfer-encoding': encoding } = c.env.incoming.headers
    if (encoding !== undefined) refuse(411, 'the request needs a Content-Length')
    if (Number(length) > most) refuse(413, `request body exceeds ${most} bytes`)
    return next()
  }
}
