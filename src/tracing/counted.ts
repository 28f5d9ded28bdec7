import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import type { TracingTelemetry } from '../ports/tracing.ts'

/** Spans that have ended and were not exported yet. */
export interface SpanQueue {
  length: number
}

/** `processor`, which drops what finds no room without a word: here it is counted. */
export function countingProcessor(
  processor: SpanProcessor,
  queue: SpanQueue,
  room: number,
  telemetry: TracingTelemetry,
): SpanProcessor {
  return {
    onStart: (span, context) => processor.onStart(span, context),
    onEnd(span) {
      if (queue.length >= room) return telemetry.spans('dropped', 1)
      queue.length += 1
      processor.onEnd(span)
    },
    forceFlush: () => processor.forceFlush(),
    shutdown: () => processor.shutdown(),
  }
}

/** `exporter`, with what becomes of its spans counted, and told when that changes. */
export function countingExporter(
  exporter: SpanExporter,
  queue: SpanQueue,
  telemetry: TracingTelemetry,
  changed: (trouble: Error | undefined) => void,
): SpanExporter {
  let isFailing = false
  return {
    export(spans, done) {
      queue.length -= spans.length
      exporter.export(spans, (result: ExportResult) => {
        const isExported = result.code === ExportResultCode.SUCCESS
        telemetry.spans(isExported ? 'exported' : 'failed', spans.length)
        if (isFailing === isExported) changed(isExported ? undefined : (result.error ?? new Error('unknown')))
        isFailing = !isExported
        done(result)
      })
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  }
}
