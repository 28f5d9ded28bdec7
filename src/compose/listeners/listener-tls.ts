import { X509Certificate } from 'node:crypto'
import type { Logger } from 'pino'
import { checkAuthorities, checkPair } from '../../config/certificates.ts'
import type { Config } from '../../config/load-config.ts'
import type { HttpServerHandle } from '../../http/server/http-server.ts'
import type { Tls } from '../../http/server/tls.ts'
import type { ListenerTelemetry } from '../../ports/telemetry.ts'
import { reloadOnChange } from '../reload-on-change.ts'

type TlsConfig = NonNullable<Config['listen']['tls']>

export function tlsFrom({ cert, key, clientCa, clientAuth }: TlsConfig): Tls {
  return {
    cert: cert.text,
    key: key.text,
    ...(clientCa && { clientCa: clientCa.text }),
    ...(clientAuth && { clientAuth }),
  }
}

export interface ReloadTlsOptions {
  readonly listener: 'registry' | 'admin'
  readonly telemetry: ListenerTelemetry
  readonly log: Logger
}

/**
 * Gives a server its new certificates when the files change. What the start would refuse is refused, and the
 * server keeps those it has.
 */
export function reloadTls(
  server: HttpServerHandle,
  config: TlsConfig,
  { listener, telemetry, log }: ReloadTlsOptions,
): Disposable {
  const told = (pem: string) =>
    telemetry.certificate(listener, new X509Certificate(pem).validToDate.getTime())
  told(config.cert.text)
  const { cert, key, clientCa } = config
  return reloadOnChange(
    [cert, key, ...(clientCa ? [clientCa] : [])],
    ([cert, key, clientCa]) => {
      checkPair(cert!, key!)
      if (clientCa !== undefined) checkAuthorities(clientCa)
      server.setTls({
        ...tlsFrom(config),
        cert: cert!,
        key: key!,
        ...(clientCa !== undefined && { clientCa }),
      })
      told(cert!)
    },
    log,
  )
}
