/** A collector of traces on a real socket: OTLP over HTTP, JSON. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status: { readonly code?: number; readonly message?: string }
  readonly attributes: Readonly<Record<string, string | number | boolean>>
}

export interface OtlpCollector extends AsyncDisposable {
  readonly url: string
  readonly spans: readonly CollectedSpan[]
  /** The status of further answers. */
  answer(status: number): void
}

interface Payload {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<CollectedSpan, 'attributes'> & Attributes)[]
    }[]
  }[]
}

interface Attributes {
  readonly attributes: readonly {
    readonly key: string
    readonly value: Readonly<Record<string, string | number | boolean>>
  }[]
}

export async function otlpCollector(): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = []
  let status = 200
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    if (status === 200 && incoming.url === '/v1/traces')
      spans.push(...spansIn(JSON.parse(Buffer.concat(chunks).toString()) as Payload))
    outgoing.writeHead(status, { 'Content-Type': 'application/json' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    answer: (next) => void (status = next),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function spansIn({ resourceSpans }: Payload): readonly CollectedSpan[] {
  return resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ attributes, ...span }) => ({
        ...span,
        attributes: Object.fromEntries(
          attributes.map(({ key, value }) => [
            key,
            value['intValue'] === undefined ? Object.values(value)[0]! : Number(value['intValue']),
          ]),
        ),
      })),
    ),
  )
}
