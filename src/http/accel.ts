import type { IncomingMessage } from 'node:http'
import type { HeaderList } from './headers/head-template.ts'

/**
 * Lets a proxy in front, which may read the store's folder, send committed blobs itself: nginx with its
 * `X-Accel-Redirect`. Who may read what is still decided here.
 */
export interface Accel {
  /** The header that names the file to the proxy. */
  readonly header: string
  /** What stands before the file's name in it: a location of the proxy that clients cannot address. */
  readonly prefix: string
  /** Whether the proxy has this address. */
  readonly isProxy: (address: string) => boolean
}

/** The header that hands `file` to the proxy; undefined when the request did not come from one. */
export function accelHeader(
  accel: Accel | undefined,
  { socket }: IncomingMessage,
  file: string | undefined,
): HeaderList | undefined {
  if (accel === undefined || file === undefined || !accel.isProxy(socket.remoteAddress ?? ''))
    return undefined
  return [accel.header, accel.prefix + file]
}
