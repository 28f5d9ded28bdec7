import { type IncomingMessage, METHODS, type RequestListener, type ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { Gate, Visitor } from '../oci/access.ts'
import { RegistryError } from '../oci/errors.ts'
import { parseRequestPath, type RequestPath } from '../oci/request-path.ts'
import type { Registry, Repository } from '../oci/stores.ts'
import type { RequestTelemetry } from '../oci/telemetry.ts'
import { accessLog, type Logger } from './access-log.ts'
import { answerBlob } from './blobs.ts'
import { BufferPool } from './buffer-pool.ts'
import { sendError } from './errors.ts'
import { Exchange } from './exchange.ts'
import { arrivalOf } from './arrival.ts'
import { announcesBody, ignoreBody, refusal } from './guard.ts'
import { answerManifest } from './manifests.ts'
import { answerReferrers } from './referrers.ts'
import { sendJson } from './send.ts'
import { answerTags } from './tags.ts'
import { tell } from './tell.ts'

export interface RegistryAppOptions {
  readonly registry: Registry
  /** Everybody may read everything without one. */
  readonly gate?: Gate
  readonly telemetry: RequestTelemetry
  /** Without one nothing is logged. */
  readonly logger?: Logger
  readonly pool?: BufferPool
}

type Env = { Bindings: Exchange }

/** The pull half of the OCI distribution spec v1.1.1 over `registry`, for `listen`. */
export function registryApp({
  registry,
  gate,
  telemetry,
  logger,
  pool = new BufferPool(),
}: RegistryAppOptions): RequestListener {
  const log = logger && accessLog(logger)

  async function read(exchange: Exchange): Promise<Response> {
    const visitor = gate && (await gate.admit(arrivalOf(exchange.incoming)))
    if (visitor?.identity !== undefined) exchange.identity = visitor.identity
    const question = parseRequestPath(exchange.path)
    if (question === undefined) throw unknownPath(exchange)
    if (question.kind === 'ping') {
      visitor?.authorize()
      sendJson(exchange, 200, {}, {})
    } else {
      await answer(exchange, question, addressed(registry, exchange, question, visitor))
    }
    return RESPONSE_ALREADY_SENT
  }

  function answer(exchange: Exchange, question: Question, repository: Repository): Promise<void> {
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

  function fail(error: unknown, exchange: Exchange): Response {
    if (!exchange.isAborted) {
      exchange.failure = error
      if (!(error instanceof RegistryError)) logger?.error({ err: error }, 'a request failed unexpectedly')
      sendError(exchange, error)
    }
    return RESPONSE_ALREADY_SENT
  }

  const app = new Hono<Env>({ getPath: (_request, options) => options!.env!.path })
  // No `app.all`: a second matching route would make every read go through Hono's middleware chain.
  app.on(
    METHODS.filter((method) => method !== 'GET' && method !== 'HEAD'),
    ['/v2', '/v2/*'],
    ({ env }) => fail(new RegistryError('UNSUPPORTED', { method: env.incoming.method }), env),
  )
  app.get('/v2', ({ env }) => read(env))
  app.get('/v2/*', ({ env }) => read(env))
  app.notFound(({ env }) => fail(unknownPath(env), env))
  app.onError((error, { env }) => fail(error, env))

  function begin(incoming: IncomingMessage, outgoing: ServerResponse): Exchange {
    const exchange = new Exchange(incoming, outgoing)
    outgoing.once('close', () => {
      log?.(exchange)
      tell(telemetry, exchange)
    })
    return exchange
  }

  const route = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as HttpBindings
      return app.fetch(request, begin(incoming, outgoing))
    },
    {
      overrideGlobalObjects: false,
      // For HTTP/1.0, which load balancers still ping with. The adapter builds a URL of it that nobody reads.
      hostname: 'localhost',
      errorHandler: () => new Response(null, { status: 400 }),
    },
  )

  return function serve(incoming, outgoing) {
    const refused = refusal(incoming)
    const hasBody = announcesBody(incoming)
    if (refused === undefined && !hasBody) return void route(incoming, outgoing)
    outgoing.setHeader('Connection', 'close')
    const answer = () => {
      if (refused === undefined) void route(incoming, outgoing)
      else fail(refused, begin(incoming, outgoing))
    }
    if (hasBody) void ignoreBody(incoming).then(answer)
    else answer()
  }
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
  const [namespace, ...more] = exchange.query.getAll('ns')
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
