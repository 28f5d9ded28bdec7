import type { HttpBindings } from '@hono/node-server'
import { HTTPException } from 'hono/http-exception'

export interface AdminEnv {
  Bindings: HttpBindings
}

/** @throws HTTPException with what the answer tells. */
export function refuse(status: 400 | 403 | 404 | 409 | 415, message: string): never {
  throw new HTTPException(status, { message })
}
