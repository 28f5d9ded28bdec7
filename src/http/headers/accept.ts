import type { IncomingHttpHeaders } from 'node:http'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  DOCKER_SCHEMA1,
  DOCKER_SCHEMA1_SIGNED,
  essenceOf,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../oci/media-types.ts'

const SCHEMA1 = new Set([DOCKER_SCHEMA1_SIGNED, DOCKER_SCHEMA1])
const OF_TODAY = new Set([OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST])
/** RFC 9110 section 12.4.2: "not acceptable". */
const REFUSED = /;\s*q=0(?:\.0*)?\s*(?:;|$)/i

/** Docker with its own image store names schema 1, and refuses it from version 26 on (docs.docker.com/go/deprecated). */
const DOCKER = /^docker\/(\d{1,3})\./
const LAST_DOCKER = 25

type Deciding = Pick<IncomingHttpHeaders, 'accept' | 'user-agent'>

/** The request headers that decide. */
export const SCHEMA1_DECIDED_BY = 'Accept, User-Agent'

/**
 * Whether a client takes manifests of schema 1, by its `Accept`: it names them, or names no manifests of today,
 * as old clients do. Wildcards do not count: containerd sends one, and refuses schema 1 when it comes.
 */
export function takesSchema1({ accept, 'user-agent': agent = '' }: Deciding): boolean {
  if (Number(DOCKER.exec(agent)?.[1] ?? 0) > LAST_DOCKER) return false
  const named = namedIn(accept)
  return !named.isDisjointFrom(SCHEMA1) || named.isDisjointFrom(OF_TODAY)
}

/**
 * Whether a client takes manifests of schema 1 that nobody has signed. Docker verifies signatures, and does not
 * name these beside manifests of today.
 */
export function takesUnsigned({ accept }: Deciding): boolean {
  const named = namedIn(accept)
  return named.has(DOCKER_SCHEMA1) || named.isDisjointFrom(OF_TODAY)
}

function namedIn(accept: string | undefined): ReadonlySet<string> {
  const named = new Set<string>()
  for (const range of accept?.split(',') ?? []) {
    const essence = essenceOf(range)
    if (essence !== undefined && !REFUSED.test(range)) named.add(essence)
  }
  return named
}
