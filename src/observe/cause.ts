import type { ErrorCode, ErrorDetail } from '../oci/errors.ts'
import { upstreamKey, wayKey } from '../util/endpoint-name.ts'

/** Why something fails, in words for the person who has to mend it. */
export interface Cause {
  /** One clause without a full stop that follows the name of the upstream or of the image. */
  readonly cause: string
  readonly advice: string
}

type Says = (upstream: string, detail: ErrorDetail) => Cause

const says =
  (cause: string, advice: string): Says =>
  (upstream) => ({ cause, advice: inWords(advice, upstream) })

function inWords(advice: string, upstream: string): string {
  return advice
    .replaceAll('upstreams.$.timeouts', `${upstreamKey(upstream)}.timeouts`)
    .replaceAll('upstreams.$', wayKey(upstream))
    .replaceAll('$', upstream)
}

const untrusted = says(
  'shows a certificate of an authority that is not trusted here',
  'give the certificate of that authority as upstreams.$.ca',
)
const cutOff = says(
  'closes the connection instead of answering',
  'check the registry and what stands between: a firewall, a proxy, a load balancer',
)
const silent = says(
  'cannot be connected to: nothing answers in time',
  'check the route and the firewall; a company proxy is set by HTTPS_PROXY',
)
const plain = says('does not speak TLS on that port', 'check the port and the scheme in upstreams.$.url')

/** By the code of the system, of TLS, of undici, or by our own reason. */
const BY_REASON: Readonly<Record<string, Says>> = {
  ECONNREFUSED: says(
    'refuses connections: nothing listens at its address',
    'check upstreams.$.url, and that the registry runs',
  ),
  ENOTFOUND: says(
    'has a name that is not in DNS',
    'check the host in upstreams.$.url, and the resolver of this machine',
  ),
  EAI_AGAIN: says(
    'has a name that cannot be looked up: DNS does not answer',
    'check the resolver of this machine (/etc/resolv.conf)',
  ),
  ENETUNREACH: says('cannot be reached: this machine has no route to it', 'check the network'),
  EHOSTUNREACH: says('cannot be reached: this machine has no route to it', 'check the network'),
  ETIMEDOUT: silent,
  UND_ERR_CONNECT_TIMEOUT: silent,
  PROXY_TIMEOUT: says('is behind a proxy that does not answer', 'check the proxy in HTTPS_PROXY'),
  'no answer in time': says(
    'accepts connections and does not answer: it hangs',
    'check the registry; if it is only slow, raise upstreams.$.timeouts.headers',
  ),
  UND_ERR_BODY_TIMEOUT: says(
    'stops in the middle of its answers',
    'check the registry; if it is only slow, raise upstreams.$.timeouts.idle',
  ),
  ECONNRESET: cutOff,
  EPIPE: cutOff,
  UND_ERR_SOCKET: cutOff,
  CONNECTION_LOST: cutOff,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_SIGNATURE_FAILURE: untrusted,
  CERT_HAS_EXPIRED: says('shows a certificate that has expired', 'renew the certificate of the registry'),
  CERT_NOT_YET_VALID: says(
    'shows a certificate that is not valid yet',
    'check the clock of this machine, and the certificate of the registry',
  ),
  ERR_TLS_CERT_ALTNAME_INVALID: says(
    'shows a certificate for another name',
    'check the host in upstreams.$.url, or give the registry a certificate for it',
  ),
  ERR_SSL_WRONG_VERSION_NUMBER: plain,
  EPROTO: plain,
  PRIVATE_ADDRESS: says(
    'leads to a private address, which a public registry must not',
    'set upstreams.$.allowPrivate if it is meant',
  ),
  offline: says(
    'is offline for a rehearsal: it is not asked',
    'wait until it ends, or DELETE /api/v1/upstreams/$/offline',
  ),
  ENOSPC: says('has no space left', 'free space on the disk, or lower storage.maxSize'),
  EDQUOT: says(
    'has no room for it within storage.maxSize and storage.minFree',
    'raise storage.maxSize, lower storage.minFree, or unpin images',
  ),
  maxSize: says(
    'has no room for it within storage.maxSize',
    'raise storage.maxSize, or unpin images: pinned content is never evicted',
  ),
  share: says(
    'has no room for it within the share of its upstream',
    'raise maxSize of that upstream, or unpin images: pinned content is never evicted',
  ),
  minFree: says(
    'has no room for it, as storage.minFree is to stay free on the disk',
    'free space on the disk, or lower storage.minFree',
  ),
  disk: says(
    'has no room for it on its disk',
    'free space on the disk, or lower storage.maxSize so that the cache evicts in time',
  ),
  inodes: says(
    'has no room for it: the file system has no files left (inodes)',
    'remove files from the disk, or make a file system with more inodes',
  ),
  EROFS: says('is mounted read-only', 'check the disk: file systems turn read-only after errors'),
  EIO: says('reports errors', 'check the disk'),
  EACCES: says('may not be written by this user', 'give the folder of storage.root to this user'),
}

/** Why upstream, or the store, failed. `detail` is that of a RegistryError. */
export function causeOf(upstream: string, code: ErrorCode, detail: ErrorDetail): Cause {
  const { reason, at } = detail
  const known = typeof reason === 'string' ? BY_REASON[reason] : undefined
  const found = known?.(upstream, detail) ?? byCode(upstream, code, detail)
  // The token service is often another host than the registry.
  return at === undefined ? found : { ...found, cause: `has a token service at ${at} that ${found.cause}` }
}

function byCode(upstream: string, code: ErrorCode, detail: ErrorDetail): Cause {
  const { reason, status, retryAfter, at, credentials, advice } = detail
  const said = [status, reason].filter((part) => part !== undefined).join(' ')
  switch (code) {
    case 'UPSTREAM_LIMITED':
      return {
        cause: `limits our requests (429)${retryAfter === undefined ? '' : `, for ${retryAfter} s more`}`,
        advice: `wait, or configure credentials in ${wayKey(upstream)}: most registries allow more to an account`,
      }
    case 'UPSTREAM_DENIED':
      if (status === 401 && at !== undefined) {
        return {
          cause: `refuses the configured credentials (${said})`,
          advice: `correct the credentials of ${wayKey(upstream)}`,
        }
      }
      return {
        cause: `denies access (${said || 'no credentials'})`,
        advice: `check the name of the image; if it is private, give ${wayKey(upstream)} credentials that may pull it`,
      }
    case 'UPSTREAM_UNAVAILABLE':
      if (credentials !== undefined) {
        return {
          cause: `has no credentials here (${said})`,
          advice: String(advice ?? `check the credentials of ${wayKey(upstream)}`),
        }
      }
      return {
        cause: status === undefined ? `is unavailable (${said})` : `answers ${said}`,
        advice: 'it is the registry that has to be mended; what is stored is served meanwhile',
      }
    case 'UPSTREAM_TIMEOUT':
      return {
        cause: `answers too late${said && ` (${said})`}`,
        advice: `check the registry; if it is only slow, raise ${upstreamKey(upstream)}.timeouts`,
      }
    case 'DENIED':
      return {
        cause: `may not be asked for it: the configuration forbids it (${upstreamKey(upstream)}.${detail['rule']})`,
        advice: `change ${upstreamKey(upstream)}.allow or deny`,
      }
    case 'TOOMANYREQUESTS':
      if (String(reason).startsWith('too many ')) {
        return {
          cause: `is asked for ${reason}`,
          advice: 'it is asked again when clients are; see docs/limits.md for how many there may be',
        }
      }
      return {
        cause: `has all its downloads here taken${reason === undefined ? '' : ` (${reason})`}`,
        advice: `raise ${upstreamKey(upstream)}.maxTransfers, or transfers.queueLength and transfers.queueTimeout`,
      }
    case 'LOOP':
      return {
        cause: 'leads back to this proxy',
        advice: `${wayKey(upstream)}.url must be the registry, not this proxy or a mirror in front of it`,
      }
    case 'UPSTREAM_INVALID':
      if (String(reason).endsWith('is not in tokenRealms')) {
        return {
          cause: `sends us to a token service that may not see the credentials: ${reason}`,
          advice: `add its origin to ${wayKey(upstream)}.tokenRealms if you trust it with the password`,
        }
      }
      return {
        cause: `answers what is no valid answer (${said})`,
        advice: `check that ${wayKey(upstream)}.url is a registry`,
      }
    default:
      return { cause: `fails (${said || code})`, advice: 'see the log' }
  }
}
