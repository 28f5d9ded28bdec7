import { stringify } from 'yaml'
import { z } from 'zod'
import type { Config } from './load-config.ts'
import type { AdminConfig, TlsConfig } from './listeners.ts'
import { MASK } from './config-error.ts'
import type { EventTarget } from './events.ts'
import { escape } from './sources/environment.ts'
import type { TagPattern } from './schema/tag-pattern.ts'
import { fileSchema } from './schema/file-schema.ts'
import type { UpstreamEntry } from './schema/upstream-schema.ts'
import type { ReplicateRule } from './replicate.ts'
import type { IndexConfig, S3Config } from './storage.ts'
import { asWritten, type UpstreamConfig } from './upstreams/upstreams.ts'
import { withWrittenPatterns } from './upstreams/full-patterns.ts'
import type { Way } from './upstreams/way.ts'

/** The effective configuration as a file that yields it again, except that secrets are masked. */
export function describeConfig(config: Config): string {
  const { listen, admin, access, events, replicate, storage, cluster, upstreams, ...rest } =
    config as Mutable<Config>
  const content = z.encode(fileSchema, {
    listen: { ...listen, tls: listen.tls && tlsEntryOf(listen.tls) },
    admin: admin && adminEntryOf(admin),
    access: { ...access, htpasswd: access.htpasswd?.path },
    events: events.map(eventTargetOf),
    replicate: replicate.map(replicateEntryOf),
    storage: {
      ...storage,
      s3: storage.s3 && s3EntryOf(storage.s3),
      index: storage.index && indexEntryOf(storage.index),
    },
    cluster: cluster && { advertise: cluster.advertise, secretFile: cluster.secretFile },
    ...rest,
    // All of them are listed.
    publicUpstreams: false,
    upstreams: Object.fromEntries(
      Object.values(upstreams).map((upstream) => [upstream.name, entryOf(upstream)]),
    ),
  })
  return stringify(escape(content), { lineWidth: 0 })
}

function tlsEntryOf({ cert, key, clientCa, clientAuth }: Mutable<TlsConfig>) {
  return { cert: cert.path, key: key.path, clientCa: clientCa?.path, clientAuth }
}

function adminEntryOf({ tls, token, tokenFile, ...rest }: Mutable<AdminConfig>) {
  return {
    ...rest,
    tls: tls && { cert: tls.cert.path, key: tls.key.path },
    token: token !== undefined && tokenFile === undefined ? MASK : undefined,
    tokenFile: tokenFile?.path,
  }
}

/** What follows `?` in the URL may give access. */
function eventTargetOf({ url, secretFile, ...target }: Mutable<EventTarget>) {
  return {
    url: url.replace(/\?.*$/, `?${MASK}`),
    ...target,
    secret: secretFile === undefined ? MASK : undefined,
    secretFile: secretFile?.path,
  }
}

function replicateEntryOf({ login, ca, ...rule }: Mutable<ReplicateRule>) {
  return { ...rule, ...(login && loginEntryOf(login)), ca: ca?.path }
}

function indexEntryOf({ postgres, passwordFile }: Mutable<IndexConfig>) {
  const url = new URL(postgres)
  if (url.password !== '') url.password = MASK
  return { postgres: url.href, passwordFile }
}

function s3EntryOf({ prefix, keys, ...s3 }: Mutable<S3Config>) {
  return {
    ...s3,
    prefix: prefix === '' ? undefined : prefix,
    ...(keys && {
      accessKeyId: keys.accessKeyId,
      secretAccessKey: keys.secretAccessKeyFile === undefined ? MASK : undefined,
      secretAccessKeyFile: keys.secretAccessKeyFile,
    }),
  }
}

function entryOf({ endpoints, ...upstream }: Mutable<UpstreamConfig>): UpstreamEntry {
  return withWrittenPatterns(upstream.name, {
    ...(endpoints ? { endpoints: endpoints.map(wayEntryOf) } : wayEntryOf(upstream)),
    ...asWritten(upstream),
  })
}

function wayEntryOf({ login, credentials, cloud, ca, proxy, ...way }: Mutable<Way>) {
  const { url, api, credentialHelper, dockerConfig, insecure, tokenRealms, allowPrivate } = way
  return {
    url,
    ...(api !== undefined && { api }),
    ...(login && loginEntryOf(login)),
    credentialHelper,
    dockerConfig,
    credentials: cloud ?? credentials?.map(({ match, ...each }) => ({ match, ...loginEntryOf(each) })),
    ca: ca?.path,
    insecure,
    tokenRealms,
    allowPrivate,
    proxy: proxy && masked(proxy),
  }
}

function loginEntryOf({ username, passwordFile }: NonNullable<Mutable<UpstreamConfig>['login']>) {
  return { username, password: passwordFile === undefined ? MASK : undefined, passwordFile }
}

/** A user without a password may be a token. */
function masked(proxy: string): string {
  const { protocol, username, password, host } = new URL(proxy)
  if (username === '' && password === '') return proxy
  return `${protocol}//${password === '' ? MASK : `${username}:${MASK}`}@${host}`
}

/** zod does not modify what it encodes, but its types do not say so. */
type Mutable<T> = T extends TagPattern ? T : { -readonly [K in keyof T]: Mutable<T[K]> }
