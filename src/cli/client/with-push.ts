import { ConfigError } from '../../config/config-error.ts'
import type { Config } from '../../config/load-config.ts'
import { IMAGE_PATTERN_MUST, type ImagePattern, parseImagePattern } from '../../oci/image-pattern.ts'
import type { Push, PushProgress, PushReport, PushRequest, PushStep } from '../../ports/moving/push.ts'
import { isInUse } from '../../storage/lock.ts'
import { type Invocation, UsageError } from '../command.ts'
import { adminClient, type Connection } from './admin-client.ts'
import { adminOf } from './admin-of.ts'
import { serverGiven } from './server-given.ts'
import { requireStore } from './with-operations.ts'
import type { UpstreamNames } from '../../oci/upstream-names.ts'

/** The cache in this process, which answers nobody. */
export interface CacheHere extends AsyncDisposable {
  readonly push: Push
  /** The names that patterns may have. */
  readonly upstreams: UpstreamNames
}

/** Opens the store of a configuration and what reaches its upstreams. */
export type OpenHere = (config: Config) => Promise<CacheHere>

const CANNOT = 'the configuration cannot be used here, and'

/** With the patterns as they are written. */
export type WrittenRequest = Omit<PushRequest, 'images'> & { readonly images: readonly string[] }

/**
 * Pushes through the server that `--server` names, else through the process that has the configured store
 * open, or here when no process has.
 *
 * @throws UsageError @throws Error that says why nothing was pushed
 */
export async function pushBy(
  open: OpenHere,
  invocation: Invocation,
  request: WrittenRequest,
  put: PushProgress['put'],
): Promise<PushReport> {
  const { signal } = new AbortController()
  const server = serverGiven(invocation)
  if (server) return pushAt(server, request, put)
  // Here, upstreams are shown our credentials. The process that has the store has its own.
  const config = await invocation.config({ usesSecrets: true }).catch((error: unknown) => {
    if (!(error instanceof ConfigError)) throw error
    return error
  })
  if (config instanceof ConfigError) {
    const running = adminOf(await invocation.config(), invocation, CANNOT)
    return pushAt(running, request, put).catch((error: Error) => {
      throw (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED' ? config : error
    })
  }
  await requireStore(config)
  // The process that has the store is asked instead.
  const here = { ...config, storage: { ...config.storage, lockTimeout: 0 } }
  const cache = await open(here).catch((error: unknown) => {
    if (!isInUse(error)) throw error
    return { holder: error.holder }
  })
  if ('holder' in cache) {
    return pushAt(adminOf(config, invocation, `${cache.holder} has the store open, and`), request, put)
  }
  await using resources = cache
  const images = request.images.map((text) => patternOf(text, resources.upstreams))
  return await resources.push({ ...request, images }, { signal, put })
}

async function pushAt(
  server: Connection,
  request: WrittenRequest,
  put: PushProgress['put'],
): Promise<PushReport> {
  type Line = PushStep | (PushReport & { readonly isDone: true })
  for await (const line of adminClient(server).lines<Line>('POST', 'push', request)) {
    if ('isDone' in line) return line
    put('', line)
  }
  throw new Error(`${server.url} ended the push before it was done`)
}

function patternOf(text: string, upstreams: UpstreamNames): ImagePattern {
  const pattern = parseImagePattern(text, upstreams)
  if (pattern === undefined) throw new UsageError(`${JSON.stringify(text)} ${IMAGE_PATTERN_MUST}`)
  return pattern
}
