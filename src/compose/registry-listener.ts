import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import { ClientRates } from '../http/client-rates.ts'
import { AccessLog } from '../http/request-log.ts'
import { registryRequestListener } from '../http/request-listener.ts'
import { listen } from '../http/server/http-server.ts'
import type { Advise } from '../ports/advise.ts'
import type { Registry } from '../ports/repository.ts'
import type {
  ListenerTelemetry,
  LoginTelemetry,
  RequestTelemetry,
  ResponseTelemetry,
} from '../ports/telemetry.ts'
import { cidrList } from '../util/cidr.ts'
import type { LoopGuard } from '../util/loop-guard.ts'
import { reloadTls, tlsFrom } from './listener-tls.ts'
import { sinkOf } from './log/logger.ts'
import { type Listening, listening } from './listening.ts'
import { buildRegistryAuth, describeRegistryAuth } from './registry-auth.ts'

export interface RegistryListenerOptions {
  readonly registry: Registry
  readonly telemetry: RequestTelemetry
  readonly server: ListenerTelemetry & LoginTelemetry & ResponseTelemetry
  readonly loops: LoopGuard
  readonly advise: Advise
  readonly log: Logger
}

/** Opens the listener for clients. @throws what `listen` throws */
export async function openRegistryListener(
  config: Pick<Config, 'listen' | 'access' | 'log' | 'warnings'>,
  { registry, telemetry, server: counted, loops, advise, log }: RegistryListenerOptions,
): Promise<Listening> {
  const { host, port, tls, maxConnections, maxConnectionsPerAddress, ratePerClient, accel } = config.listen
  await using opening = new AsyncDisposableStack()
  const auth = opening.use(buildRegistryAuth(config, counted, log))
  const answer = registryRequestListener({
    registry,
    ...(auth.authenticator && { authenticator: auth.authenticator }),
    telemetry,
    responses: counted,
    loops,
    ...(ratePerClient !== undefined && { rates: new ClientRates(ratePerClient) }),
    ...(accel && { accel: { ...accel, isProxy: cidrList(accel.proxies) } }),
    ...(config.warnings && { advise }),
    logger: log,
    accessLog: new AccessLog({
      sink: sinkOf(log),
      mode: () => log.isLevelEnabled('info') && config.log.access,
    }),
    ...(config.access.trustedProxies.length > 0 && { clientAddress: auth.clientAddress }),
  })
  const server = await listen(answer, {
    host,
    port,
    ...(tls && { tls: tlsFrom(tls) }),
    connections: {
      most: maxConnections,
      mostPerAddress: maxConnectionsPerAddress,
      isExempt: auth.isTrustedProxy,
    },
  })
  if (tls) opening.use(reloadTls(server, tls, { listener: 'registry', telemetry: counted, log }))
  const access = describeRegistryAuth(config)
  log.info({ listener: 'registry', host, port: server.port, access }, 'listening')
  return listening(server, opening.move())
}
