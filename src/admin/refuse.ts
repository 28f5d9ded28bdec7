import type { HttpBindings } from '@hono/node-server'
import { HTTPException } from 'hono/http-exception'

export interface AdminEnv {
  Bindings: HttpBindings
  /** What the audit trail says of a request that changes something. */
  Variables: {
    target?: string
    outcome?: string
    changesNothing?: boolean
  }
}

/** @throws HTTPException with the status and message of the answer */
export function refuse(status: 400 | 403 | 404 | 409 | 411 | 413 | 415, message: string): never {
  throw new HTTPException(status, { message })
}
