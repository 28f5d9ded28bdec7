import type { Logger } from 'pino'
import { pushRoutes } from './admin/push-routes.ts'
import { buildReplication, type Replication } from './compose/replication.ts'
import { buildDestinations } from './compose/upstreams/destinations.ts'
import type { RunningConfig } from './compose/running-config.ts'
import { RegistryError } from './oci/errors.ts'
import { parseImagePattern } from './oci/image-pattern.ts'
import type { Push } from './ports/moving/push.ts'
import type { Parts } from './parts.ts'
import type { Serving } from './serving.ts'
import { forJobs } from './images/for-jobs.ts'
import { createPush } from './upload/images/push.ts'
import { UploadManager } from './upload/manager.ts'
import { UPLOAD_POLICY } from './upload/upload-policy.ts'
import { BodyRate } from './upstream/body/body-rate.ts'
import type { LoopGuard } from './util/loop-guard.ts'

/** What pushes images to other registries. */
export interface Pushing extends AsyncDisposable {
  readonly push: Push
  /** Runs the rules of the configuration. */
  replicate(): Replication
  readonly routes: ReturnType<typeof pushRoutes>
}

export interface PushingOptions {
  readonly config: RunningConfig
  readonly parts: Parts
  readonly serving: () => Serving
  readonly env: NodeJS.ProcessEnv
  readonly loops: LoopGuard
  /** The ports of our own listeners. */
  readonly ownPorts: () => Iterable<number>
  readonly log: Logger
}

/** Builds it. What begins goes on with the configuration that holds then. */
export function buildPushing({ config, parts, serving, env, loops, ownPorts, log }: PushingOptions): Pushing {
  const { disk, store, observed } = parts
  const uploads = new UploadManager({
    policy: UPLOAD_POLICY,
    memory: disk.uploadSources,
    uploads: () => config.current.transfers.uploads,
    failed: observed.storeFailed,
  })
  const upstreams = () => config.current.upstreams
  const destinations = buildDestinations({ log, env, loops, ownPorts, upstreams })
  const push = createPush({
    catalogue: store.catalogue,
    source({ upstream, name }) {
      const found = forJobs(serving().present).find({ namespace: upstream, name })
      if (found?.name.upstream === upstream) return found
      throw new RegistryError('NAME_UNKNOWN', { upstream, repository: name, reason: 'no such upstream' })
    },
    heldOf: async ({ repository, tag, digest }) =>
      tag === undefined ? undefined : serving().heldOf(repository, tag, digest),
    uploads,
    open: destinations.open,
    paceOf: (rate) => new BodyRate(rate, () => performance.now()),
  })
  return {
    push,
    replicate: () =>
      buildReplication(config.current, {
        push,
        jobs: observed.jobs,
        events: observed.events,
        shared: parts.sharing?.jobs,
        now: parts.now,
        log,
      }),
    routes: pushRoutes({
      push,
      jobs: observed.jobs,
      parsePattern: (text) => parseImagePattern(text, parts.upstreamNames()),
      failed: (err) => log.error({ err }, 'a push failed'),
    }),
    async [Symbol.asyncDispose]() {
      await uploads[Symbol.asyncDispose]()
      await destinations[Symbol.asyncDispose]()
    },
  }
}
