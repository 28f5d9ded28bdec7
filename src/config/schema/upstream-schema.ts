import { z } from 'zod'
import { CLOUDS } from '../../util/cloud-registries.ts'
import { bytes, fileName, host, integer, matching, oneOf, rate, text, time, yesOrNo } from './scalars.ts'
import { list, section } from './section.ts'
import { origin, proxy } from './urls.ts'

/** setTimeout takes at most 2^31-1 milliseconds. */
export const LONGEST_TIMER = { least: '1ms', most: '24d' }

/** How an upstream, or one endpoint of it, is reached. */
const way = {
  username: text().optional(),
  password: text().optional(),
  /** A file that holds the password; surrounding white space is ignored. */
  passwordFile: fileName().optional(),
  /** `ecr-login` runs docker-credential-ecr-login. */
  credentialHelper: matching(
    /^[a-z\d][\w.-]*$/i,
    'what follows docker-credential- in the name of a program',
  ).optional(),
  /** A Docker `config.json` that has the credentials, or names the helper that has them. */
  dockerConfig: fileName().optional(),
  /**
   * Logins of single repositories, as patterns of `oci/image-pattern.ts`. The first match decides; without one, the
   * login above, or the helper, or the Docker config. Or a cloud, at which the identity of this workload is
   * exchanged for a login.
   */
  credentials: z
    .union(
      [
        oneOf(...CLOUDS),
        list(
          section({
            match: repositories(),
            username: text(),
            password: text().optional(),
            passwordFile: fileName().optional(),
          }),
        ),
      ],
      { error: `must be ${CLOUDS.join(', ')}, or a list of logins of repositories` },
    )
    .optional(),
  /** A PEM file of authorities to trust, besides the system's. */
  ca: fileName().optional(),
  /** Do not verify its certificate and those of its `tokenRealms`. Hosts it redirects to are verified. */
  insecure: yesOrNo().optional(),
  /**
   * Origins that may get the credentials in exchange for a token, besides those of its registrable domain.
   */
  tokenRealms: list(origin({ anyPath: true })).optional(),
  /** Allow redirects to private addresses. Omitted: only when the url has one itself. */
  allowPrivate: yesOrNo().optional(),
  /** The proxy on the way to it, instead of those of HTTPS_PROXY and HTTP_PROXY; NO_PROXY holds. */
  proxy: proxy().optional(),
}

export const WAY_KEYS = Object.keys(way) as readonly (keyof typeof way)[]

const endpointSchema = section({
  url: origin(),
  /** It speaks the registry protocol before v2 only: `upstream/v1/`. */
  api: oneOf('v1').optional(),
  ...way,
})

const endpoint = z.union([origin(), endpointSchema], {
  error: `must be a URL such as https://registry.example.com, or a mapping of url, api, ${WAY_KEYS.join(', ')}`,
})

/** What `upstreams` says about one upstream. */
export const upstreamSchema = section({
  /** The origin, `https://ghcr.io`. Omitted: https and the name of the upstream. */
  url: origin().optional(),
  /** Other names that clients use, in `ns` and as the first segment of a path. */
  aliases: list(host()).prefault([]),
  /** Host headers that select this upstream. */
  hosts: list(host()).prefault([]),
  /** Several addresses in the order in which they are asked, instead of `url`: `upstream/endpoints/`. */
  endpoints: list(endpoint).optional(),
  ...way,
  /** Repositories that may be pulled, as patterns of `oci/image-pattern.ts`. Omitted: all. */
  allow: list(repositories()).optional(),
  /** Repositories that may not be pulled. Wins over `allow`. */
  deny: list(repositories()).optional(),
  /** Other names by which repositories are asked for there: `upstream/rewrite/`. */
  rewrite: list(
    section({
      /** A pattern of `oci/image-pattern.ts` with one star at most. */
      from: repositories(),
      /** The same star stands for what `from` matched by it. */
      to: repositories(),
      /** Ask there instead. Omitted: where the first name is unknown. */
      always: yesOrNo().optional(),
    }),
  ).optional(),
  timeouts: section({
    /** Name resolution, TCP and TLS. */
    connect: time(LONGEST_TIMER).prefault('5s'),
    /** From the request to the last header of the response. */
    headers: time(LONGEST_TIMER).prefault('10s'),
    /** Replaces `headers` for blobs, where the upstream stores or scans them before it sends them. */
    blob: time(LONGEST_TIMER).optional(),
    /** Between two chunks of a body. */
    idle: time(LONGEST_TIMER).prefault('30s'),
  }).prefault({}),
  /** Blob downloads at once. Manifests and tags do not count. */
  maxTransfers: integer(1, 10_000).prefault(16),
  /** Bytes of the store that its content may take. Omitted: all of `storage.maxSize`. */
  maxSize: bytes({ least: '1B' }).optional(),
  /** Bytes per second of all its blobs together. Omitted: no limit. */
  rate: rate().optional(),
  /** Never dial it: what is stored is served, however old, and the rest does not exist. */
  offline: yesOrNo().optional(),
  /** Convert images of schema 1 for clients that do not take it: `schema1/`. Omitted: they do not exist for those. */
  schema1: oneOf('convert').optional(),
  /** Let clients search the names of its repositories: `cache/search/`. Omitted: they cannot. */
  search: yesOrNo().optional(),
})

export type UpstreamEntry = z.output<typeof upstreamSchema>

/** How an upstream, or an endpoint of it, is reached, as the file has it. */
export type WayEntry = Pick<UpstreamEntry, keyof typeof way> & {
  readonly api?: z.output<typeof endpointSchema>['api']
}

/** `false` removes a built-in upstream. */
export type UpstreamEntries = Readonly<Record<string, UpstreamEntry | false>>

function repositories() {
  return matching(
    /^[a-z\d*]([a-z\d._/*-]*[a-z\d*])?$/,
    'the name of a repository, or a pattern such as library/* or org/**',
  )
}
