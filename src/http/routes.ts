import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Gate, Visitor } from '../ports/authenticator.ts'
import { RegistryError } from '../oci/errors.ts'
import { parseRequestPath, type RequestPath } from './request-path.ts'
import type { Registry, Repository } from '../ports/repository.ts'
import type { RequestTelemetry } from '../ports/telemetry.ts'
import { accessLog, type Logger } from './request-log.ts'
import { arrivalOf } from './client-info.ts'
import { answerBlob } from './blobs.ts'
import { BufferPool } from './buffer-pool.ts'
import { sendError } from './error-response.ts'
import { Exchange } from './exchange.ts'
import { announcesBody, ignoreBody, refusal } from './validate-request.ts'
import { answerManifest } from './manifests.ts'
import { answerReferrers } from './referrers.ts'
import { sendJson } from './send.ts'
import { answerTags } from './tags.ts'
import { tell } from './record-request.ts'

export interface RegistryAppOptions {
  readonly registry: Registry
  /** Everybody may read everything without one. */
  readonly gate?: Gate
  readonly telemetry: RequestTelemetry
  /** Without one nothing is logged. */
  readonly logger?: Logger
  readonly pool?: BufferPool
}

/**
 * The pull half of the OCI distribution spec v1.1.1 over `registry`, for `listen`. On Node's own requests and answers, without
 * a router: the grammar of the spec is the router, and what can be answered from memory is answered before anything is awaited.
 */
export function registryApp({
  registry,
  gate,
  telemetry,
  logger,
  pool = new BufferPool(),
}: RegistryAppOptions): RequestListener {
  const log = logger && accessLog(logger)

  /** @throws RegistryError, at once or later, before anything was sent */
  function respond(exchange: Exchange): Promise<void> | undefined {
    const { method } = exchange.incoming
    if (method !== 'GET' && method !== 'HEAD') {
      throw isOfRegistry(exchange.path) ? new RegistryError('UNSUPPORTED', { method }) : unknownPath(exchange)
    }
    if (!isOfRegistry(exchange.path)) throw unknownPath(exchange)
    return gate === undefined ? answer(exchange) : answerTo(gate, exchange)
  }

  async function answerTo(gate: Gate, exchange: Exchange): Promise<void> {
    const visitor = await gate.admit(arrivalOf(exchange.incoming))
    if (visitor.identity !== undefined) exchange.identity = visitor.identity
    await answer(exchange, visitor)
  }

  function answer(exchange: Exchange, visitor?: Visitor): Promise<void> | undefined {
    const question = parseRequestPath(exchange.path)
    if (question === undefined) throw unknownPath(exchange)
    if (question.kind === 'ping') {
      visitor?.authorize()
      sendJson(exchange, 200, {}, {})
      return undefined
    }
    const repository = addressed(registry, exchange, question, visitor)
    switch (question.kind) {
      case 'manifest':
        return answerManifest(exchange, repository, question.reference)
      case 'blob':
        return answerBlob(exchange, repository, question.digest, pool)
      case 'tags':
        return answerTags(exchange, repository, question.name)
      case 'referrers':
        return answerReferrers(exchange, repository, question.digest)
    }
  }

  function fail(error: unknown, exchange: Exchange): void {
    if (exchange.isAborted) return
    exchange.failure = error
    if (!(error instanceof RegistryError)) logger?.error({ err: error }, 'a request failed unexpectedly')
    sendError(exchange, error)
  }

  function begin(incoming: IncomingMessage, outgoing: ServerResponse): Exchange {
    const exchange = new Exchange(incoming, outgoing)
    outgoing.on('close', () => {
      log?.(exchange)
      tell(telemetry, exchange)
    })
    return exchange
  }

  function run(exchange: Exchange): void {
    try {
      respond(exchange)?.catch((error: unknown) => fail(error, exchange))
    } catch (error) {
      fail(error, exchange)
    }
  }

  return function serve(incoming, outgoing) {
    const refused = refusal(incoming)
    const hasBody = announcesBody(incoming)
    if (refused === undefined && !hasBody) return run(begin(incoming, outgoing))
    outgoing.setHeader('Connection', 'close')
    const proceed = () => {
      const exchange = begin(incoming, outgoing)
      if (refused === undefined) run(exchange)
      else fail(refused, exchange)
    }
    if (hasBody) void ignoreBody(incoming).then(proceed)
    else proceed()
  }
}

function isOfRegistry(path: string): boolean {
  return path === '/v2' || path.startsWith('/v2/')
}

type Question = Exclude<RequestPath, { kind: 'ping' }>

// A host with an optional port: what containerd sends is the host of an image reference.
const NAMESPACE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/** @throws RegistryError NAME_INVALID, NAME_UNKNOWN, UNAUTHORIZED, DENIED */
function addressed(
  registry: Registry,
  exchange: Exchange,
  question: Question,
  visitor: Visitor | undefined,
): Repository {
  exchange.kind = question.kind
  const [namespace, ...more] = exchange.parameters('ns')
  if (more.length > 0 || (namespace !== undefined && !NAMESPACE.test(namespace))) {
    throw new RegistryError('NAME_INVALID', { parameter: 'ns' })
  }
  const host = exchange.incoming.headers.host?.toLowerCase()
  const repository = registry.find({
    name: question.name,
    ...(namespace !== undefined && { namespace }),
    ...(host !== undefined && { host }),
  })
  if (repository === undefined)
    throw new RegistryError('NAME_UNKNOWN', { ns: namespace, name: question.name })
  visitor?.authorize(repository.name)
  if (namespace !== undefined) exchange.outgoing.setHeader('OCI-Namespace', namespace)
  exchange.upstream = repository.name.upstream
  exchange.repository = repository.name.name
  if (question.kind === 'manifest') {
    const { reference } = question
    if ('tag' in reference) exchange.kind = 'tag'
    exchange.reference = 'tag' in reference ? reference.tag : reference.digest
  } else if (question.kind !== 'tags') {
    exchange.reference = question.digest
  }
  return repository
}

function unknownPath({ path }: Exchange): RegistryError {
  return new RegistryError('NAME_UNKNOWN', { path: path.slice(0, 300) })
}
