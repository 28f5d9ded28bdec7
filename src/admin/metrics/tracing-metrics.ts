import { Counter, type Registry } from 'prom-client'
import type { TracingTelemetry } from '../../ports/tracing.ts'

/** What becomes of the spans of traces. */
export function tracingMetrics(register: Registry): TracingTelemetry {
  const spans = new Counter({
    name: 'entrepot_trace_spans_total',
    help: 'Spans of sampled traces: exported, failed to export, or dropped because too many waited.',
    labelNames: ['result'],
    registers: [register],
  })
  for (const result of ['exported', 'failed', 'dropped'] as const) spans.inc({ result }, 0)
  return { spans: (result, count) => spans.inc({ result }, count) }
}
