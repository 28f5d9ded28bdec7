import { Hono } from 'hono'
import { RegistryError } from '../oci/errors.ts'
import type { Advise } from '../ports/advise.ts'
import type { PeerAccess } from '../ports/cluster.ts'
import type { RepositorySearch } from '../ports/search.ts'
import { answerBlob } from './answers/blobs.ts'
import type { Exchange } from './exchange.ts'
import { answerManifest } from './answers/manifests.ts'
import { answerPeer } from './answers/peer-blobs.ts'
import { answerReferrers } from './answers/referrers.ts'
import { answerSearch, answerSearchPing } from './answers/search.ts'
import { refuseWrite, WRITE_METHODS } from './refuse-writes.ts'
import {
  type AnswerPath,
  byDigest,
  byReference,
  byRepository,
  forAll,
  type Handler,
  type RegistryEnv,
  routeHandlers,
  type RouteHandlersOptions,
} from './route-handlers.ts'
import type { BlobSending } from './send-blob.ts'
import { sendJson } from './send.ts'
import { answerTags } from './answers/tags.ts'

export interface RegistryRoutesOptions extends RouteHandlersOptions {
  readonly sending: BlobSending
  /** Without one, nobody is advised. */
  readonly advise?: Advise | undefined
  /** Without it, there are no other replicas. */
  readonly peers?: PeerAccess | undefined
  /** Without it, nothing can be searched. */
  readonly search?: RepositorySearch | undefined
}

export interface RegistryRoutes {
  readonly app: Hono<RegistryEnv>
  /** What answers GET and HEAD of a path that `app` has routed lately. */
  readonly recall: (path: string) => AnswerPath | undefined
}

/**
 * The routes of the registry listener: the pull half of the OCI distribution spec v1.1.1, and of the protocol
 * before it the search, where it is on.
 *
 * A request matches one handler at most. Hono composes two handlers asynchronously, which would delay an
 * answer from memory, so there is no middleware. The listener dispatches HEAD as GET.
 */
export function registryRoutes(given: RegistryRoutesOptions): RegistryRoutes {
  const { sending, advise, peers, search, ...options } = given
  const { forClients, pull, recall, failed } = routeHandlers(options)
  const searched = ({ incoming }: Exchange): string | undefined =>
    search?.upstreamFor(incoming.headers.host?.toLowerCase())
  /** Where nothing can be searched, the path does not exist. */
  const whereSearched =
    (handler: Handler): Handler =>
    (route) =>
      (searched(route.env) === undefined ? forAll(refusePath) : handler)(route)
  const app = new Hono<RegistryEnv>({ getPath: undecodedPath })
    .get('/', forAll(alive))
    .on('GET', ['/v2', '/v2/'], forClients(ping))
    .get('/v2/:name{.+}/manifests/:reference', pull(byReference, answerManifest(advise)))
    .get('/v2/:name{.+}/blobs/:digest', pull(byDigest('blob'), answerBlob(sending)))
    .get('/v2/:name{.+}/tags/list', pull(byRepository, answerTags))
    .get('/v2/:name{.+}/referrers/:digest', pull(byDigest('referrers'), answerReferrers))
    .get('/v1/_ping', whereSearched(forAll(answerSearchPing)))
    .get(
      '/v1/search',
      whereSearched(forClients((exchange) => answerSearch(exchange, search!, searched(exchange)!))),
    )
    .get(
      '/peer/:upstream/:digest',
      peers === undefined ? forAll(refusePath) : forPeers(answerPeer(peers, sending)),
    )
    .on(WRITE_METHODS, '/v2/*', forAll(refuseWrite))
    .notFound((c) => (c.env.path.startsWith('/v2/') ? forClients : forAll)(refusePath)(c))
    .onError(failed)
  return { app, recall }
}

/**
 * The path as the client sent it. Hono decodes parameters, and a decoded `%2f` would become part of a name.
 * With every `%` escaped, its decoding yields the raw text again, which no name, tag or digest can match.
 */
function undecodedPath(_request: Request, { env }: { env?: Exchange } = {}): string {
  const { path } = env!
  return path.includes('%') ? path.replaceAll('%', '%25') : path
}

/** They show who they are by a header of their own. */
function forPeers(answer: ReturnType<typeof answerPeer>): Handler {
  return forAll((exchange, { req }) => answer(exchange, req.param('upstream')!, req.param('digest')!))
}

/** `GET /v2/`, end-1 of the distribution spec: clients ask it whether they must log in. */
function ping(exchange: Exchange): undefined {
  exchange.principal?.authorize()
  sendJson(exchange, 200, [], {})
}

/** Load balancers ask for `GET /`, without a login. */
function alive(exchange: Exchange): undefined {
  sendJson(exchange, 200, [], {})
}

function refusePath({ path }: Exchange): never {
  throw new RegistryError('NAME_UNKNOWN', { path: path.slice(0, 300) })
}
