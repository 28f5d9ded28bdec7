import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import { LRUCache } from 'lru-cache'
import { type Digest, parseDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { isRepositoryName, parseReference, type Reference } from '../oci/reference.ts'
import type { Authenticator } from '../ports/authenticator.ts'
import type { Registry, Repository } from '../ports/repository.ts'
import type { RequestKind } from '../ports/telemetry.ts'
import { SubjectText } from './access-log-line.ts'
import { clientInfo } from './client-info.ts'
import type { Exchange } from './exchange.ts'
import { findRepository } from './find-repository.ts'

/** The binding of a request is its exchange: handlers answer on Node's own response, which it holds. */
export interface RegistryEnv {
  Bindings: Exchange
}

type Route = Context<RegistryEnv>
export type Handler = (route: Route) => Response | Promise<Response>

/**
 * Answers an exchange: at once, and returns undefined, or later.
 *
 * @throws RegistryError, at once or later, before the answer begins
 */
type Answer = (exchange: Exchange, route: Route) => Promise<void> | undefined

/** Answers an exchange for the path that it was made for. */
export type AnswerPath = (exchange: Exchange) => Promise<void> | undefined

/** Paths whose meaning is remembered, and the characters of the longest. */
const KNOWN_PATHS = { max: 1000, longest: 512 }

export interface RouteHandlersOptions {
  readonly registry: Registry
  /** Without one, everybody may read everything. */
  readonly authenticator?: Authenticator | undefined
  /** Answers an exchange that failed. */
  readonly fail: (error: unknown, exchange: Exchange) => void
}

/** Handles a route that needs no authentication. */
export function forAll(answer: Answer): Handler {
  return (route) => sent(answer(route.env, route))
}

/** Makes the handlers of the routes that do. */
export function routeHandlers({ registry, authenticator, fail }: RouteHandlersOptions) {
  const known = new LRUCache<string, AnswerPath>({ max: KNOWN_PATHS.max })

  /** Awaits nothing where there is no authenticator. */
  function admit(exchange: Exchange, answer: AnswerPath): Promise<void> | undefined {
    return authenticator === undefined ? answer(exchange) : authenticate(authenticator, exchange, answer)
  }

  /** Handles a route for clients that the authenticator admits. */
  function forClients(answer: Answer): Handler {
    return forAll((exchange, route) => admit(exchange, () => answer(exchange, route)))
  }

  /**
   * Handles a route that answers from the repository that the route and the request name. What a path means
   * depends on nothing else, so it is remembered.
   */
  function pull<Target>(
    targetOf: (route: Route) => PullTarget<Target>,
    answer: (exchange: Exchange, repository: Repository, target: Target) => Promise<void> | undefined,
  ): Handler {
    return forClients((exchange, route) => {
      const name = nameIn(route)
      const { kind, reference, target } = targetOf(route)
      const subject = new SubjectText(kind)
      const answerPath: AnswerPath = (exchange) => {
        exchange.kind = kind
        exchange.subject = subject
        const repository = findRepository(registry, exchange, name)
        if (reference !== undefined) exchange.reference = reference
        return answer(exchange, repository, target)
      }
      const { path } = exchange
      const answered = answerPath(exchange)
      // What is answered from memory is asked for again. A client that asks for ever new paths fills nothing.
      if (answered === undefined && path.length <= KNOWN_PATHS.longest) {
        known.set(path, (exchange) => admit(exchange, answerPath))
      }
      return answered
    })
  }

  /** What answers GET and HEAD of a path that was asked for before: the same as its route, without routing. */
  function recall(path: string): AnswerPath | undefined {
    return known.get(path)
  }

  function failed(error: unknown, route: Route): Response {
    fail(error, route.env)
    return RESPONSE_ALREADY_SENT
  }

  return { forClients, pull, recall, failed }
}

async function authenticate(
  authenticator: Authenticator,
  exchange: Exchange,
  answer: AnswerPath,
): Promise<void> {
  exchange.principal = await authenticator.authenticate(clientInfo(exchange.incoming))
  await answer(exchange)
}

function sent(answered: Promise<void> | undefined): Response | Promise<Response> {
  return answered === undefined ? RESPONSE_ALREADY_SENT : answered.then(() => RESPONSE_ALREADY_SENT)
}

/** What a client asks a repository for. */
export interface PullTarget<Target> {
  readonly kind: RequestKind
  /** The tag or the digest, for the log and for errors. */
  readonly reference?: string
  readonly target: Target
}

/** @throws RegistryError DIGEST_INVALID, TAG_INVALID */
export function byReference({ req }: Route): PullTarget<Reference> {
  const target = parseReference(req.param('reference')!)
  return 'tag' in target
    ? { kind: 'tag', reference: target.tag, target }
    : { kind: 'manifest', reference: target.digest, target }
}

/** @throws RegistryError DIGEST_INVALID */
export function byDigest(kind: RequestKind): (route: Route) => PullTarget<Digest> {
  return ({ req }) => {
    const target = parseDigest(req.param('digest')!)
    return { kind, reference: target, target }
  }
}

/** All tags of the repository. The target is the name as the client wrote it, for the answer repeats it. */
export function byRepository({ req }: Route): PullTarget<string> {
  return { kind: 'tags', target: req.param('name')! }
}

/** @throws RegistryError NAME_INVALID */
function nameIn({ req }: Route): string {
  const name = req.param('name')!
  if (!isRepositoryName(name)) throw new RegistryError('NAME_INVALID', { name: name.slice(0, 300) })
  return name
}
