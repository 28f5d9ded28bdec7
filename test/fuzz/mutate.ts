import type { Random } from '../support/seeded-random.ts'

/** What parsers have stumbled over. */
const TOKENS = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  '\t',
  ' ',
  '\x0b',
  '\x7f',
  '\xa0',
  '\xff',
  '\r\n ',
  '\r\n\r\n',
  '/',
  '//',
  '/../',
  '/./',
  '..',
  '%2e%2e',
  '%2f',
  '%5c',
  '%00',
  '%0d%0a',
  '%',
  '\\',
  '#',
  '?',
  ';',
  '&',
  ':',
  '@',
  '*',
  '~',
  'Host: evil.example\r\n',
  'Host:\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: -1\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: x\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: h2c\r\nConnection: Upgrade\r\n',
  'Connection: keep-alive, close\r\n',
  'Trailer: Host\r\n',
  'Range: bytes=9999999999999999999-\r\n',
  'Range: bytes=-0\r\n',
  'Range: bytes=0-0,0-0\r\n',
  'If-None-Match: *\r\n',
  '__proto__: x\r\n',
  'X-Forwarded-For: 10.0.0.1, ::ffff:127.0.0.1\r\n',
  'X-Forwarded-For: ,,,\r\n',
  'X-HTTP-Method-Override: DELETE\r\n',
  'Authorization: Basic \r\n',
  'Authorization: Basic Y2ktNzp3cm9uZw==\r\n',
  'Authorization: Bearer a.b.c\r\n',
  'sha256:',
  'sha512:',
  'SHA256:',
  'md5:',
  '?ns=',
  '&ns=',
  'ns=169.254.169.254',
  'ns=evil.example',
  'ns=docker.io',
  'n=-1',
  'n=1e9',
  'last=%00',
  'http://evil.example',
  'https://',
  'docker.io/',
  'ghcr.io/',
  'manifests/',
  'blobs/',
  'tags/list',
  'referrers/',
  '_catalog',
  '/v2/',
  '/etc/passwd',
  'GET ',
  'HEAD ',
  'CONNECT evil.example:443 HTTP/1.1\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/2.0',
  '0\r\n\r\n',
  'ffffffffffffffff\r\n',
] as const

/** A request with a few bytes gone, doubled, changed or added, or a piece of `other` in it. Latin-1 on both sides. */
export function mutated(text: string, other: string, random: Random): string {
  let result = text
  for (let count = 1 + random.below(2); count > 0; count--) result = step(result, other, random)
  return result
}

function step(text: string, other: string, random: Random): string {
  const at = random.below(text.length + 1)
  const end = Math.min(text.length, at + 1 + random.below(12))
  const replace = (middle: string, from = at, to = at) => text.slice(0, from) + middle + text.slice(to)
  switch (random.below(9)) {
    case 0:
      return replace(String.fromCharCode(random.below(256)), at, at + 1)
    case 1:
      return replace('', at, end)
    case 2:
      return replace(text.slice(at, end), at)
    case 3:
      return replace(text.slice(at, end).repeat(1 + random.below(2000)), at)
    case 4:
      return text.slice(0, at)
    case 5:
      return replace(other.slice(random.below(other.length)), at, text.length)
    case 6: {
      const line = text.indexOf('\r\n', at)
      return line < 0 ? text : replace(random.pick(TOKENS), line + 2)
    }
    default:
      return replace(random.pick(TOKENS), at)
  }
}
