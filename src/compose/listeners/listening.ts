import type { HttpServerHandle } from '../../http/server/http-server.ts'

/** A listener with what it needs to answer. */
export interface Listening
  extends Pick<HttpServerHandle, 'port' | 'url' | 'connections' | 'close'>, AsyncDisposable {}

/**
 * Closes the server once, and then disposes of `resources`. Disposing of the listener closes it without
 * grace.
 */
export function listening(server: HttpServerHandle, resources: AsyncDisposableStack): Listening {
  let closed: Promise<void> | undefined
  const close = (grace: number): Promise<void> =>
    (closed ??= server.close(grace).then(() => resources.disposeAsync()))
  const { port, url, connections } = server
  return { port, url, connections, close, [Symbol.asyncDispose]: () => close(0) }
}
