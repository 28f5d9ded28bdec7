/** Serves a registry on a real socket, and keeps what it logs and counts. */
import { registryRequestListener } from '../../src/http/request-listener.ts'
import type { BufferPool } from '../../src/http/pieces/buffer-pool.ts'
import type { ClientRates } from '../../src/http/client-rates.ts'
import { AccessLog, type LineSink } from '../../src/http/access-log.ts'
import { listen, type HttpServerHandle, type ListenOptions } from '../../src/http/server/http-server.ts'
import type { Authenticator } from '../../src/ports/authenticator.ts'
import type { Registry } from '../../src/ports/repository.ts'
import type { RequestTelemetry } from '../../src/ports/telemetry.ts'

export interface RegistryServer extends HttpServerHandle, AsyncDisposable {
  readonly lines: Record<string, unknown>[]
  readonly answered: Parameters<RequestTelemetry['answered']>[0][]
  /** The errors logged as unexpected. */
  readonly unexpected: object[]
}

export interface RegistryServerOptions extends Omit<ListenOptions, 'host' | 'port'> {
  readonly authenticator?: Authenticator
  readonly pool?: BufferPool
  readonly rates?: ClientRates
}

/** Takes each line at once. */
function lineSink(add: (line: Record<string, unknown>) => void): LineSink {
  const write = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .forEach((line) => add(JSON.parse(line)))
  return { write, writeLater: (source) => queueMicrotask(() => write(source.takeLines())) }
}

export async function serveRegistry(
  registry: Registry,
  { authenticator, pool, rates, ...options }: RegistryServerOptions = {},
): Promise<RegistryServer> {
  const lines: Record<string, unknown>[] = []
  const answered: RegistryServer['answered'] = []
  const unexpected: object[] = []
  const listener = registryRequestListener({
    registry,
    ...(authenticator && { authenticator }),
    telemetry: { answered: (request) => void answered.push(request) },
    logger: { error: (fields) => void unexpected.push(fields) },
    accessLog: new AccessLog({ mode: () => true, sink: lineSink((line) => lines.push(line)) }),
    ...(pool && { pool }),
    rates,
  })
  const listening = await listen(listener, { host: '127.0.0.1', port: 0, ...options })
  return { ...listening, lines, answered, unexpected, [Symbol.asyncDispose]: () => listening.close(0) }
}
