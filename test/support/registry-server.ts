/** `registryApp` over a registry, listening. What it says about its requests is kept. */
import { registryApp } from '../../src/http/app.ts'
import type { BufferPool } from '../../src/http/buffer-pool.ts'
import { type Limits, listen, type Listening } from '../../src/http/server.ts'
import type { Registry } from '../../src/oci/stores.ts'
import type { RequestTelemetry } from '../../src/oci/telemetry.ts'

export interface RegistryServer extends Listening, AsyncDisposable {
  readonly lines: Record<string, unknown>[]
  readonly answered: Parameters<RequestTelemetry['answered']>[0][]
  /** Errors nobody foresaw. */
  readonly unexpected: object[]
}

export async function serveRegistry(
  registry: Registry,
  { limits, pool }: { limits?: Partial<Limits>; pool?: BufferPool } = {},
): Promise<RegistryServer> {
  const lines: Record<string, unknown>[] = []
  const answered: RegistryServer['answered'] = []
  const unexpected: object[] = []
  const listener = registryApp({
    registry,
    telemetry: { answered: (request) => void answered.push(request) },
    logger: {
      info: (fields) => void lines.push({ ...fields }),
      error: (fields) => void unexpected.push(fields),
    },
    ...(pool && { pool }),
  })
  const listening = await listen(listener, { host: '127.0.0.1', port: 0, ...(limits && { limits }) })
  return { ...listening, lines, answered, unexpected, [Symbol.asyncDispose]: () => listening.close(0) }
}
