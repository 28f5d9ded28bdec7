/** Every key, its meaning, values and default. Durations are milliseconds, sizes bytes. */
import { z } from 'zod'
import { accessSchema, adminSchema, listenSchema } from './access-schema.ts'
import {
  bytes,
  cron,
  images,
  integer,
  off,
  oneOf,
  part,
  pattern,
  text,
  time,
  yesNoOr,
  yesOrNo,
} from './scalars.ts'
import { eventTargetSchema } from './events-schema.ts'
import { mirrorSchema } from './mirror-schema.ts'
import { replicateSchema } from './replicate-schema.ts'
import { list, section } from './section.ts'
import { clusterSchema, storageSchema } from './storage-schema.ts'
import { LONGEST_TIMER, upstreamSchema } from './upstream-schema.ts'
import { collectorUrl } from './urls.ts'
import { viewsSchema } from './views-schema.ts'

export const fileSchema = section({
  /** The registry, for clients. */
  listen: listenSchema.prefault({}),

  /** Health, metrics, dashboard and admin API; `false` turns them off. */
  admin: adminSchema.prefault({}),

  /** Who may use the registry. */
  access: accessSchema.prefault({}),

  /** Where content and index lie. */
  storage: storageSchema.prefault({}),

  /** Omitted: there is one replica. */
  cluster: clusterSchema.optional(),

  cache: section({
    /** Content unused for this long is evicted. */
    ttl: time({ least: '1s' }).prefault('7d'),
    /** Whether `ttl` counts from the last use or from the fetch. */
    ttlFrom: oneOf('use', 'fetch').prefault('use'),
    /** When the TTL scheduler runs (node-cron syntax). */
    sweep: cron().prefault('*/5 * * * *'),
    /** How long past its freshness a tag is served while its upstream is unavailable. */
    staleIfError: time().prefault('7d'),
    /** How long "does not exist upstream" is remembered. */
    negative: time().prefault('10s'),
    /**
     * How long tag lists and referrers are served without asking upstream; for an empty list of referrers
     * `negative` holds.
     */
    lists: time().prefault('60s'),
    /**
     * How long a tag is served without asking upstream. The first match decides; without a match, always ask.
     */
    tags: list(section({ match: pattern(), fresh: time() })).prefault([
      { match: '^v?\\d+\\.\\d+(\\.\\d+)?([-+].*)?$', fresh: '1h' },
      { match: '.*', fresh: '60s' },
    ]),
    /** Images that are never evicted, `node:20*`. */
    pin: list(images()).prefault([]),
    /**
     * How long a new digest of a tag has to have been seen before it is served; until then the previous one
     * is. The first match decides.
     */
    coolDown: list(section({ match: images(), for: time() })).prefault([]),
    /** Images whose tags are served on when upstream has deleted them, as they were last. */
    keepDeleted: list(images()).prefault([]),
  }).prefault({}),

  /** The past of tags, for clients. */
  views: viewsSchema.prefault({}),

  transfers: section({
    /** Connections per blob. */
    connections: integer(1, 64).prefault(4),
    /** Smaller blobs use one connection. */
    segmentAbove: bytes({ least: '1B' }).prefault('32MiB'),
    /** A download that no client waits for any more is finished when this share of it (0 to 1) is done, */
    finishFrom: part().prefault('25%'),
    /** or when less than this is missing. */
    finishBelow: bytes().prefault('64MiB'),
    /** Bytes of unfinished downloads kept for resumption, in all. */
    keepPartial: bytes().prefault('5GiB'),
    /** How long they are kept. */
    keepPartialFor: time().prefault('1d'),
    /** How long a download waits for its turn at an upstream that has `maxTransfers` running. */
    queueTimeout: time(LONGEST_TIMER).prefault('10s'),
    /** How many may wait. */
    queueLength: integer(0, 1_000_000).prefault(256),
    /** Uploads of blobs to one registry that images are pushed to, at once. */
    uploads: integer(1, 100).prefault(5),
  }).prefault({}),

  shutdown: section({
    /** How long new connections are still accepted, while `/readyz` says that no more should come. */
    delay: time({ most: LONGEST_TIMER.most }).prefault('0s'),
    /** How long running answers may take to end after that. */
    grace: time({ most: LONGEST_TIMER.most }).prefault('25s'),
  }).prefault({}),

  log: section({
    level: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent').prefault('info'),
    /** Log each request. `errors`: only those that failed, or whose client left before the end. */
    access: yesNoOr('errors').prefault(true),
    /** `auto`: for people on a terminal, JSON elsewhere. */
    format: oneOf('auto', 'json', 'pretty').prefault('auto'),
  }).prefault({}),

  /** Where traces of requests go, by OTLP over HTTP. Omitted: there are none. */
  tracing: section({
    /** Of the collector, `http://collector:4318`. */
    endpoint: collectorUrl(),
    /** The share of traces that are recorded, where the client has not decided. */
    sample: part().prefault('1%'),
  }).optional(),

  /** Webhooks: receivers that are told what happens. */
  events: list(eventTargetSchema).prefault([]),

  /** What is fetched ahead, by the clock. */
  mirror: list(mirrorSchema).prefault([]),

  /** Where stored images are pushed to. */
  replicate: list(replicateSchema).prefault([]),

  /**
   * Tell the person who pulls, by a Warning header, what is stale or held back by a cool-down, and when a rate
   * limit is nearly used up.
   */
  warnings: yesOrNo().prefault(true),

  /**
   * The upstream of requests that name none: a name or an alias. Omitted: the only one in `upstreams`, else
   * docker.io.
   */
  defaultUpstream: text().optional(),

  /** Whether there are the upstreams of `public-registries.ts`, to which `upstreams` adds. */
  publicUpstreams: yesOrNo().prefault(true),

  /**
   * By the name that clients use. No other host is ever dialled, except the token realms and redirects of
   * these. An entry of the name of a built-in upstream adds to it.
   */
  upstreams: z
    .record(
      z.string(),
      z.union([off(), upstreamSchema], { error: 'must be a mapping, or false for a built-in upstream' }),
      { error: 'must be a mapping of upstreams by name' },
    )
    .prefault({}),
})
