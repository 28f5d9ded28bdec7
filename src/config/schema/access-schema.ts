/** The schema of `listen`, `admin` and `access`: the two listeners, and who may use them. */
import { z } from 'zod'
import { ADMIN_TOKEN, ADMIN_TOKEN_MUST } from '../admin-token.ts'
import { fileName, integer, matching, network, off, oneOf, rate, repositories, text } from './scalars.ts'
import { list, section } from './section.ts'
import { webAddress } from './urls.ts'

const address = {
  /** The address to listen on; `0.0.0.0` and `::` mean all addresses. */
  host: matching(
    /^(?:[\w.%-]+|[\da-f]*:[\da-f:.]*:[\da-f:.]*(?:%[\w.-]+)?)$/i,
    'an address or a host name; its port is a key of its own',
  ),
  /** 0: any free port. */
  port: integer(0, 65_535),
}

/** PEM files. Changed files are read again. */
const certificate = { cert: fileName(), key: fileName() }

export const listenSchema = section({
  host: address.host.prefault('0.0.0.0'),
  port: address.port.prefault(5000),
  /** When given, the registry is served over HTTPS. */
  tls: section({
    ...certificate,
    /** Authorities that sign client certificates. */
    clientCa: fileName().optional(),
    /** Whether clients need a certificate. Default with `clientCa`: `require`. */
    clientAuth: oneOf('require', 'optional').optional(),
  }).optional(),
  /** Connections open at once; further ones are closed. */
  maxConnections: integer(1, 1_000_000).prefault(8192),
  /** The same per client address. Addresses in `access.trustedProxies` are exempt. */
  maxConnectionsPerAddress: integer(1, 1_000_000).prefault(2048),
  /** Bytes per second that a client gets, by address (IPv6: by /64). Omitted: no limit. */
  ratePerClient: rate().optional(),
  /** A proxy in front that may read the store's folder sends committed blobs itself. */
  accel: section({
    /** The header that names the file to it. */
    header: matching(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, 'the name of a header').prefault('X-Accel-Redirect'),
    /** Its location for the store's folder. */
    prefix: matching(/^\/([\w.-]+\/)*$/, 'a path such as /entrepot-store/'),
    /** Its addresses. */
    proxies: list(network()),
  }).optional(),
})

export const adminSchema = z.union(
  [
    off(),
    section({
      host: address.host.prefault('127.0.0.1'),
      port: address.port.prefault(5001),
      tls: section(certificate).optional(),
      /**
       * Names of this listener, besides addresses and localhost. Requests for other names are refused, except
       * for health and metrics: a page of an attacker may have sent them (DNS rebinding).
       */
      hosts: list(matching(/^[a-z\d]([a-z\d.-]*[a-z\d])?$/i, 'a host name without a port')).prefault([]),
      access: section({
        /** Networks that may read; the machine itself always may. Omitted: all. */
        networks: list(network()).optional(),
      }).prefault({}),
      /**
       * Where it is given, writing takes this token, as `Authorization: Bearer`; otherwise only this machine
       * may.
       */
      token: matching(ADMIN_TOKEN, ADMIN_TOKEN_MUST).optional(),
      /** A file that holds the token; surrounding white space is ignored. A changed file is read again. */
      tokenFile: fileName().optional(),
    }),
  ],
  { error: 'must be false, or a mapping with host and port' },
)

export const accessSchema = section({
  /** Networks of clients. Omitted: all. */
  networks: list(network()).optional(),
  /** Proxies in front of this one, whose X-Forwarded-For is believed. */
  trustedProxies: list(network()).prefault([]),
  /** A file of users and bcrypt hashes, as `htpasswd -B` writes it. A changed file is read again. */
  htpasswd: fileName().optional(),
  /** Tokens of an OpenID Connect issuer, sent as Bearer, or by Basic as the password of the user `oidc`. */
  oidc: section({
    /** The required `iss`. */
    issuer: text(),
    /** The required `aud`, or one of several. */
    audience: text(),
    /** The `jwks_uri` of the issuer's openid-configuration. No other host is dialled for tokens. */
    jwks: webAddress(),
    /** The claim that is the identity. */
    claim: text().prefault('sub'),
  }).optional(),
  /** Who may pull what. The first rule for an identity decides. Omitted: everyone may pull everything. */
  rules: list(
    section({
      /**
       * `ci-*`, `cert:ci-*`, `oidc:*`; `*` also matches `/`. Omitted: everyone, including anonymous clients.
       */
      identity: text().optional(),
      /** Patterns of `oci/image-pattern.ts`: `node`, `ghcr.io/org/*`, `docker.io/library/*`. */
      repositories: list(repositories()),
    }),
  ).optional(),
})
