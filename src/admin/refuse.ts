import type { HttpBindings } from '@hono/node-server'
import { HTTPException } from 'hono/http-exception'

export interface AdminEnv {
  Bindings: HttpBindings
}

/** @throws HTTPException with the status and message of the answer */
export function refuse(status: 400 | 403 | 404 | 409 | 415, message: string): never {
  throw new HTTPException(status, { message })
}
