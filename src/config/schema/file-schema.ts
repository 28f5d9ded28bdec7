/** Every key of the file, what it means, what it may be, and what it is when it is not given. Durations are milliseconds and sizes bytes. */
import { z } from 'zod'
import { accessSchema, adminSchema, listenSchema } from './access-schema.ts'
import {
  bytes,
  cron,
  fileName,
  host,
  images,
  integer,
  matching,
  oneOf,
  origin,
  part,
  pattern,
  text,
  time,
  yesOrNo,
} from './scalars.ts'
import { PUBLIC_REGISTRIES } from './public-registries.ts'
import { list, section } from './section.ts'

/** setTimeout counts to 2^31-1 milliseconds. */
const LONGEST_TIMER = { least: '1ms', most: '24d' }

const upstream = section({
  /** Its origin, `https://ghcr.io`. When not given: https and the name it is configured under. */
  url: origin().optional(),
  /** Other names clients use for it, in `ns` and as first part of a path. */
  aliases: list(host()).prefault([]),
  /** Requests with one of these in the Host header are for it. */
  hosts: list(host()).prefault([]),
  username: text().optional(),
  password: text().optional(),
  /** A file that holds the password; white space around it does not count. */
  passwordFile: fileName().optional(),
  /** `ecr-login` runs docker-credential-ecr-login. */
  credentialHelper: matching(
    /^[a-z\d][\w.-]*$/i,
    'what follows docker-credential- in the name of a program',
  ).optional(),
  /** A `config.json` of Docker's, in which its credentials stand, or the helper that has them. */
  dockerConfig: fileName().optional(),
  /** A file of PEM certificates that may sign for it, besides the system's. */
  ca: fileName().optional(),
  /** Its certificate, and those of its `tokenRealms`, are not verified; those of hosts it redirects to are. */
  insecure: yesOrNo().optional(),
  /** Origins that may be given its credentials in exchange for a token, besides its own and its registrable domain. */
  tokenRealms: list(origin({ anyPath: true })).optional(),
  /** It may redirect to private addresses. When not given: if its url is one itself. */
  allowPrivate: yesOrNo().optional(),
  /** Repositories that may be pulled from it; all when not given. `*` is any part of a name up to a slash, `**` any with them. */
  allow: list(repositories()).optional(),
  /** Repositories that may not, also where `allow` has them. */
  deny: list(repositories()).optional(),
  timeouts: section({
    /** Look-up of the name, TCP and TLS. */
    connect: time(LONGEST_TIMER).prefault('5s'),
    /** From the question to the last header of the answer. */
    headers: time(LONGEST_TIMER).prefault('10s'),
    /** Between two pieces of a body. */
    idle: time(LONGEST_TIMER).prefault('30s'),
  }).prefault({}),
  /** Blob downloads at once. Manifests and tags have their own lane. */
  maxTransfers: integer(1, 10_000).prefault(16),
})

export type UpstreamEntry = z.output<typeof upstream>

export const fileSchema = section({
  /** The registry, for clients. */
  listen: listenSchema.prefault({}),

  /** Health, metrics, dashboard and admin API; `false` turns them off. */
  admin: adminSchema.prefault({}),

  /** Who may use the registry. */
  access: accessSchema.prefault({}),

  storage: section({
    /** The folder of everything that is kept. */
    root: fileName().prefault('./data'),
    /** Committed content stays under this: least recently used goes first. */
    maxSize: bytes({ least: '1B' }).prefault('50GiB'),
    /** This much of the disk stays free. */
    minFree: bytes().prefault('1GiB'),
    /** Which reads are verified, so that what rotted on the disk is found: one in a hundred, or every one. */
    verify: oneOf('never', 'sample', 'always').prefault('sample'),
    /** How long the start waits for another process to close the store. */
    lockTimeout: time().prefault('30s'),
    /** When all that is stored is verified (node-cron syntax). When not given: never. */
    scrub: cron().optional(),
  }).prefault({}),

  cache: section({
    /** What nobody asked for in this long is evicted. */
    ttl: time({ least: '1s' }).prefault('7d'),
    /** From what that is counted: from the last time somebody asked, or from when it was fetched, whoever asks. */
    ttlFrom: oneOf('use', 'fetch').prefault('use'),
    /** When the TTL scheduler looks (node-cron syntax). */
    sweep: cron().prefault('*/5 * * * *'),
    /** How long past its freshness a tag may be served while upstream is out of order. */
    staleIfError: time().prefault('7d'),
    /** How long "upstream says it does not exist" is remembered. */
    negative: time().prefault('10s'),
    /** How long tag lists and referrers are served without asking upstream; empty referrers as long as `negative` says. */
    lists: time().prefault('60s'),
    /** The first that matches decides how long a tag is served without asking upstream; one that none matches never is. */
    tags: list(section({ match: pattern(), fresh: time() })).prefault([
      { match: '^v?\\d+\\.\\d+(\\.\\d+)?([-+].*)?$', fresh: '1h' },
      { match: '.*', fresh: '60s' },
    ]),
    /** Images that are never evicted, `node:20*`. */
    pin: list(images()).prefault([]),
  }).prefault({}),

  transfers: section({
    /** Connections that the download of one blob may use. */
    connections: integer(1, 64).prefault(4),
    /** Smaller blobs are fetched over one connection. */
    segmentAbove: bytes({ least: '1B' }).prefault('32MiB'),
    /** A download that nobody waits for any more is finished when this share of it is there, from 0 to 1, */
    finishFrom: part().prefault('25%'),
    /** or when less than this is missing. */
    finishBelow: bytes().prefault('64MiB'),
    /** Bytes of unfinished downloads that are kept to continue from, in all. */
    keepPartial: bytes().prefault('5GiB'),
    /** How long they are kept. */
    keepPartialFor: time().prefault('1d'),
    /** How long a download may wait for its turn at an upstream that has `maxTransfers` running, */
    queueTimeout: time(LONGEST_TIMER).prefault('10s'),
    /** and how many may. */
    queueLength: integer(0, 1_000_000).prefault(256),
  }).prefault({}),

  log: section({
    level: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent').prefault('info'),
    /** One line a request. */
    access: yesOrNo().prefault(true),
  }).prefault({}),

  /** For requests that name none; a name or an alias. When not given: docker.io, or the only one there is. */
  defaultUpstream: text().optional(),

  /**
   * The only hosts ever dialled, besides the token realms and redirects they name. By the name clients use; what is given here
   * replaces the built-in table.
   */
  upstreams: z
    .record(z.string(), upstream, { error: 'must be a mapping of upstreams by name' })
    .prefault(PUBLIC_REGISTRIES),
})

function repositories() {
  return matching(
    /^[a-z\d*]([a-z\d._/*-]*[a-z\d*])?$/,
    'the name of a repository, or a pattern such as library/* or org/**',
  )
}
