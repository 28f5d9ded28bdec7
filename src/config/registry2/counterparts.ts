/**
 * Keys of distribution's `registry:2` and `registry:3` (docs/configuration) that this program does not have:
 * what stands for each here, as a clause that follows the key.
 */
const COUNTERPARTS: Readonly<Record<string, string>> = {
  version: 'is not needed',
  proxy: 'is `upstreams` here, which may be many',
  'proxy.exec': 'is `upstreams.*.credentialHelper` here',
  http: 'is `listen` here',
  'http.secret': 'is not needed: nothing is uploaded',
  'http.host': 'is not needed: links are relative',
  'http.relativeurls': 'is not needed: links are relative',
  'http.prefix': 'has no counterpart: the registry is at /v2/',
  'http.net': 'has no counterpart: Entrepot listens on TCP',
  'http.headers': 'has no counterpart',
  'http.headers.X-Content-Type-Options': 'is not needed: every answer has it',
  'http.http2': 'is not needed: clients of registries speak HTTP/1.1',
  'http.h2c': 'is not needed: clients of registries speak HTTP/1.1',
  'http.draintimeout': 'is `shutdown.grace` here',
  'http.tls.letsencrypt':
    'has no counterpart: let certbot or your ingress renew the files, which are read again',
  'http.tls.clientcas': 'is one file, `listen.tls.clientCa`, here: join them',
  'http.debug.prometheus': 'is not needed: the admin listener has /metrics',
  auth: 'is `access` here',
  'auth.htpasswd.realm': 'is not needed',
  'auth.token': 'has no counterpart: `access.oidc` takes tokens of an OpenID provider',
  'auth.silly': 'has no counterpart',
  'storage.filesystem': 'is `storage.root` here',
  'storage.filesystem.maxthreads': 'is not needed',
  'storage.inmemory': 'has no counterpart: the store is a folder, or a bucket of S3',
  'storage.s3': 'is `storage.s3` here, and what that bucket holds cannot be taken over',
  'storage.s3.accesskey': 'is `storage.s3.accessKeyId` here',
  'storage.s3.secretkey': 'is `storage.s3.secretAccessKey` here',
  'storage.s3.regionendpoint': 'is `storage.s3.endpoint` here',
  'storage.s3.rootdirectory': 'is `storage.s3.prefix` here',
  'storage.gcs': 'has no counterpart: the store is a folder, or a bucket of S3',
  'storage.azure': 'has no counterpart: the store is a folder, or a bucket of S3',
  'storage.swift': 'has no counterpart: the store is a folder, or a bucket of S3',
  'storage.oss': 'has no counterpart: the store is a folder, or a bucket of S3',
  'storage.cache': 'is not needed: what is hot is kept in memory',
  'storage.delete': 'is not needed: `cache.ttl` and `storage.maxSize` evict, `entrepot purge` removes',
  'storage.maintenance': 'is not needed: unfinished downloads are swept by themselves',
  'storage.redirect': 'is not needed, and is `storage.s3.redirect` for a bucket',
  'storage.tag': 'is not needed',
  'log.fields': 'has no counterpart',
  'log.hooks': 'has no counterpart: watch /metrics',
  'log.formatter': 'is `log.format` here',
  'log.accesslog': 'is `log.access` here',
  'log.reportcaller': 'has no counterpart',
  loglevel: 'is `log.level` here',
  health: 'is not needed: see /healthz and /readyz',
  notifications: 'is `events` here, of what the cache does',
  redis: 'is not needed',
  compatibility: 'has no counterpart',
  validation: 'has no counterpart: `upstreams.*.allow` and `deny` say what may be pulled',
  policy: 'has no counterpart: `upstreams.*.allow` and `deny` say what may be pulled',
  middleware: 'has no counterpart',
  reporting: 'has no counterpart',
  catalog: 'has no counterpart: `entrepot ls` lists what is stored',
}

/**
 * What stands here for a key of registry:2, of the nearest of its parents that is known.
 *
 * @returns undefined when registry:2 has no such key
 */
export function counterpartOf(path: readonly PropertyKey[]): string | undefined {
  for (let length = path.length; length > 0; length--) {
    const key = path.slice(0, length).map(String).join('.')
    if (Object.hasOwn(COUNTERPARTS, key)) return COUNTERPARTS[key]
  }
  return undefined
}
