import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import type { TracingTelemetry } from '../ports/tracing.ts'
import type { Tracing } from '../tracing/tracing.ts'
import { version } from '../util/version.ts'

export interface TracingOptions {
  readonly log: Logger
  readonly telemetry: TracingTelemetry
}

/** Opens tracing, whose code is loaded only now. @returns undefined where it is not configured */
export async function buildTracing(
  { tracing: config }: Pick<Config, 'tracing'>,
  { log, telemetry }: TracingOptions,
): Promise<Tracing | undefined> {
  if (config === undefined) return undefined
  const { openTracing } = await import('../tracing/tracing.ts')
  const url = new URL(config.endpoint)
  if (!url.pathname.endsWith('/v1/traces')) url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
  return openTracing({
    url: url.href,
    sample: config.sample,
    version: version(),
    telemetry,
    changed(err) {
      if (err === undefined) log.warn('traces are exported again')
      else log.warn({ err }, 'traces cannot be exported')
    },
  })
}
