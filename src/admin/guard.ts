import type { IncomingMessage } from 'node:http'
import { BlockList } from 'node:net'
import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'

export interface AdminEnv {
  Bindings: HttpBindings
}

/**
 * Whatever changes something is accepted from this machine only, and not from a page in a browser on it: one can send requests
 * to any port here, but none without an Origin, and no JSON without asking first (Fetch standard, CORS-safelisted requests).
 */
export function guard(): MiddlewareHandler<AdminEnv> {
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')

  return async function guard(c, next) {
    const { incoming } = c.env
    if (incoming.method !== 'GET' && incoming.method !== 'HEAD') {
      if (!isLoopback(loopback, incoming))
        refuse(403, 'only from the machine itself, over its loopback address')
      const { origin, 'sec-fetch-site': site = 'none', 'content-type': type = '' } = incoming.headers
      if (origin !== undefined || site !== 'none') refuse(403, 'not from a browser')
      if (!/^application\/json *(?:;|$)/i.test(type)) refuse(415, 'the body must be application/json')
    }
    await next()
  }
}

/** @throws HTTPException with what the answer tells. */
export function refuse(status: 400 | 403 | 404 | 409 | 415, message: string): never {
  throw new HTTPException(status, { message })
}

function isLoopback(list: BlockList, { socket }: IncomingMessage): boolean {
  const { remoteAddress = '', remoteFamily } = socket
  // An IPv4 client of an IPv6 socket is checked as the IPv4 address it is.
  return list.check(remoteAddress, remoteFamily === 'IPv6' ? 'ipv6' : 'ipv4')
}
