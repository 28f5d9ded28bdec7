import type { HttpServerHandle } from '../http/server/http-server.ts'

/** A listener with what it needs to answer. */
export interface Listening extends Pick<HttpServerHandle, 'port' | 'url' | 'close'>, AsyncDisposable {}

/**
 * Closes the server once, and then disposes of `resources`. Disposing of the listener closes it without
 * grace.
 */
export function listening(server: HttpServerHandle, resources: AsyncDisposableStack): Listening {
  let closed: Promise<void> | undefined
  const close = (grace: number): Promise<void> =>
    (closed ??= server.close(grace).then(() => resources.disposeAsync()))
  return { port: server.port, url: server.url, close, [Symbol.asyncDispose]: () => close(0) }
}
