/** The only file that imports the SDK. It is loaded when tracing is configured, and not before. */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  type Span as OtelSpan,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Span, SpanAttributes, Tracer, TracingTelemetry } from '../ports/tracing.ts'
import { countingExporter, countingProcessor } from './counted.ts'

export interface OpenTelemetryOptions {
  /** Of the collector's traces, `http://collector:4318/v1/traces`. */
  readonly url: string
  /** The share of traces that are recorded, 0 to 1, where the client has not decided. */
  readonly sample: number
  readonly version: string
  readonly telemetry: TracingTelemetry
  /** Called when exports begin to fail, and with undefined when they work again. */
  readonly changed: (trouble: Error | undefined) => void
}

export interface OpenTelemetry extends Tracer, AsyncDisposable {}

/** Spans that wait for their export, of about 1 KiB each. */
const QUEUE = 2_048
/** Milliseconds. */
const EXPORT = { every: 2_000, timeout: 5_000 }

/** Sends spans to a collector by OTLP over HTTP, as JSON. */
export function openTelemetry(options: OpenTelemetryOptions): OpenTelemetry {
  const { url, sample, version, telemetry, changed } = options
  const queue = { length: 0 }
  const otlp: SpanExporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT.timeout })
  const batches = new BatchSpanProcessor({
    exporter: countingExporter(otlp, queue, telemetry, changed),
    maxQueueSize: QUEUE,
    scheduledDelayMillis: EXPORT.every,
    exportTimeoutMillis: EXPORT.timeout,
  })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'entrepot', 'service.version': version }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sample) }),
    spanProcessors: [countingProcessor(batches, queue, QUEUE, telemetry)],
  })
  const tracer = provider.getTracer('entrepot', version)
  const propagator = new W3CTraceContextPropagator()
  const current = new AsyncLocalStorage<Context>()

  return {
    begin(name, headers) {
      const { traceparent, tracestate } = headers
      const carrier = { traceparent, tracestate }
      const from =
        traceparent === undefined
          ? ROOT_CONTEXT
          : propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter)
      return spanOf(tracer.startSpan(name, { kind: SpanKind.SERVER }, from))
    },
    start(name, attributes, kind) {
      const context = current.getStore()
      if (context === undefined || trace.getSpan(context)?.isRecording() !== true) return undefined
      const started = tracer.startSpan(
        name,
        { kind: kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL },
        context,
      )
      const span = spanOf(started)
      span.set(attributes)
      return span
    },
    within: (span, work) =>
      current.run(trace.setSpan(current.getStore() ?? ROOT_CONTEXT, (span as TracedSpan).own), work),
    headers() {
      const context = current.getStore()
      const carrier: Record<string, string> = {}
      if (context !== undefined) propagator.inject(context, carrier, defaultTextMapSetter)
      // What vendors on the way here have noted is none of an upstream's business.
      delete carrier['tracestate']
      return carrier
    },
    async [Symbol.asyncDispose]() {
      await provider.shutdown().catch((error: unknown) => changed(error as Error))
    },
  }
}

interface TracedSpan extends Span {
  readonly own: OtelSpan
}

function spanOf(own: OtelSpan): TracedSpan {
  return {
    own,
    traceId: own.spanContext().traceId,
    isRecording: own.isRecording(),
    set(attributes: SpanAttributes) {
      for (const [name, value] of Object.entries(attributes))
        if (value !== undefined) own.setAttribute(name, value)
    },
    end(failure) {
      if (failure !== undefined) {
        const message = failure instanceof Error ? failure.message : String(failure)
        own.setStatus({ code: SpanStatusCode.ERROR, message })
      }
      own.end()
    },
  }
}
