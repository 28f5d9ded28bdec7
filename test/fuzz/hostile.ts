import * as fc from 'fast-check'

const dictionary = fc.constantFrom(
  ...[
    'v2',
    'library',
    'app',
    'manifests',
    'blobs',
    'tags',
    'list',
    'referrers',
    '_catalog',
    'latest',
    'docker.io',
    'ghcr.io',
  ],
  ...[
    '..',
    '.',
    '',
    '%2e%2e',
    '%2f',
    '%00',
    '~',
    '__proto__',
    'constructor',
    'sha256:',
    'uploads',
    'a__b',
    'a--b',
    'A',
  ],
  `sha256:${'0'.repeat(64)}`,
)
const text = (min: number, max: number) =>
  fc.string({ unit: fc.integer({ min, max }).map((code) => String.fromCharCode(code)), maxLength: 40 })
const word = fc.oneof(
  { weight: 8, arbitrary: fc.stringMatching(/^[a-z0-9._-]{1,30}$/) },
  { weight: 4, arbitrary: text(0x21, 0x7e) },
  text(0, 0xff),
)
const segment = fc.oneof(
  { weight: 4, arbitrary: dictionary },
  word,
  fc.nat(300).map((count) => 'a'.repeat(count)),
)
const pair = fc.tuple(fc.oneof(fc.constantFrom('ns', 'n', 'last', 'artifactType'), word), segment)
const path = fc.array(segment, { maxLength: 8 }).map((parts) => `/v2/${parts.join('/')}`)
const query = fc
  .array(pair, { maxLength: 4 })
  .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join('&'))
const method = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('GET', 'HEAD') },
  fc.constantFrom('PUT', 'POST', 'DELETE', 'OPTIONS', 'TRACE', 'M-SEARCH', 'get', 'CONNECT', ''),
)
const header = fc.oneof(
  fc.constantFrom(
    'Accept: */*',
    'Range: bytes=0-',
    'Connection: close',
    'Accept-Encoding: gzip',
    'Expect: 100-continue',
  ),
  fc.constantFrom(
    'Host: x',
    'Content-Length: 3',
    'Content-Length: 0',
    'Transfer-Encoding: chunked',
    'X-Forwarded-For: 10.0.0.1',
  ),
  fc
    .tuple(
      fc.constantFrom(
        'Range',
        'If-None-Match',
        'Authorization',
        'X-Forwarded-For',
        'Accept',
        'Host',
        'Connection',
      ),
      word,
    )
    .map(([name, value]) => `${name}: ${value}`),
  fc.tuple(word, word).map(([name, value]) => `${name}: ${value}`),
)

/** Whole requests that keep to the form of HTTP, mostly, with anything in it. */
const request = fc
  .record({
    method,
    path,
    query,
    host: fc.oneof({ weight: 4, arbitrary: fc.constant('localhost') }, word),
    headers: fc.array(header, { maxLength: 6 }),
  })
  .map(({ method, path, query, host, headers }) => {
    const target = query === '' ? path : `${path}?${query}`
    return [`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...headers, '', ''].join('\r\n')
  })

/** So many of them, the same for the same seed. */
export function hostileRequests(count: number, seed: number): readonly string[] {
  return fc.sample(request, { numRuns: count, seed })
}
