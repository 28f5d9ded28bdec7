/** The keys that say who may use the two listeners, and how they are reached. */
import { z } from 'zod'
import { ADMIN_TOKEN, ADMIN_TOKEN_MUST } from '../admin-token.ts'
import { fileName, integer, matching, network, off, oneOf, text, webAddress } from './scalars.ts'
import { list, section } from './section.ts'

const address = {
  /** The address to listen on; `0.0.0.0` and `::` are all there are. */
  host: matching(/^[\w.:%-]+$/, 'an address or a host name'),
  /** 0 is any that is free. */
  port: integer(0, 65_535),
}

/** Files in PEM. They are read again when they change. */
const certificate = { cert: fileName(), key: fileName() }

export const listenSchema = section({
  host: address.host.prefault('0.0.0.0'),
  port: address.port.prefault(5000),
  /** With it the registry is served over HTTPS. */
  tls: section({
    ...certificate,
    /** Certificates that may sign for clients. */
    clientCa: fileName().optional(),
    /** Whether clients without a certificate are let in; where `clientCa` is given, and this is not, they are not. */
    clientAuth: oneOf('require', 'optional').optional(),
  }).optional(),
  /** Connections at once; more are closed as they come. */
  maxConnections: integer(1, 1_000_000).prefault(8192),
  /** The same for those of one address. Those of `access.trustedProxies` do not count. */
  maxConnectionsPerAddress: integer(1, 1_000_000).prefault(2048),
})

export const adminSchema = z.union(
  [
    off(),
    section({
      host: address.host.prefault('127.0.0.1'),
      port: address.port.prefault(5001),
      tls: section(certificate).optional(),
      /** Names it is reached by, besides addresses and names that cannot be registered: others are those of an attacker's page. */
      hosts: list(matching(/^[a-z\d]([a-z\d.-]*[a-z\d])?$/i, 'a host name without a port')).prefault([]),
      access: section({
        /** Where those may be who read. The machine itself always may. When not given: anywhere it can be reached from. */
        networks: list(network()).optional(),
      }).prefault({}),
      /** `Authorization: Bearer` with this lets write from elsewhere than the machine itself. */
      token: matching(ADMIN_TOKEN, ADMIN_TOKEN_MUST).optional(),
      /** A file that holds the token; white space around it does not count. Read again when it changes. */
      tokenFile: fileName().optional(),
    }),
  ],
  { error: 'must be false, or a mapping with host and port' },
)

export const accessSchema = section({
  /** Where clients may be. When not given: anywhere. */
  networks: list(network()).optional(),
  /** Proxies in front of this one: for whom they ask is believed them (X-Forwarded-For). */
  trustedProxies: list(network()).prefault([]),
  /** A file of users and their bcrypt hashes, as `htpasswd -B` makes it. Read again when it changes. */
  htpasswd: fileName().optional(),
  /** Tokens of an OpenID Connect issuer; by Bearer, or by Basic as the password of the user `oidc`. */
  oidc: section({
    /** What `iss` has to be. */
    issuer: text(),
    /** What `aud` has to be, or to have. */
    audience: text(),
    /** Where the issuer has its keys: `jwks_uri` of its openid-configuration. The only host that is dialled for it. */
    jwks: webAddress(),
    /** The claim that says whose token it is. */
    claim: text().prefault('sub'),
  }).optional(),
  /** Who may pull what: the first rule for an identity counts. When not given: everybody who is let in, everything. */
  rules: list(
    section({
      /** `ci-*`, `cert:ci-*`, `oidc:*`. When not given: everybody, also those who do not say who they are. */
      identity: text().optional(),
      /** `ghcr.io/org/*`, `docker.io/library/**`; `*` is any part of a name up to a slash, `**` any with them. */
      repositories: list(
        matching(
          /^(?:\*\*|[\w.:*-]+(?:\/[\w.*-]+)+)$/,
          'an upstream and a repository, such as docker.io/library/*, ghcr.io/org/** or **',
        ),
      ),
    }),
  ).optional(),
})
