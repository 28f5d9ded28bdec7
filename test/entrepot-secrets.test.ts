/** SEC-60: whatever goes wrong upstream, logs, metrics and answers say nothing of what is secret. */
import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeProxy } from './support/fake-proxy.ts'
import { type FakeUpstream, fakeUpstream, type FakeUpstreamOptions } from './support/fake-upstream.ts'
import { blobOf, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { RawClient } from './support/raw-client.ts'
import { tempFolder } from './support/temp-folder.ts'

const layer = blobOf(100_000)
const manifest = manifestOf([layer.bytes])

/** Planted wherever something secret is sent, and in the form in which Basic carries it. */
const SECRET = 'hunter2'
const base64 = (text: string) => Buffer.from(text).toString('base64').replaceAll('=', '')
const LEAKS = [SECRET, base64(`ci:${SECRET}`), base64(`client:${SECRET}`), encodeURIComponent(`=${SECRET}`)]

interface Trouble {
  readonly upstream?: FakeUpstreamOptions
  readonly upstreamConfig?: Record<string, unknown>
  readonly arrange?: (upstream: FakeUpstream) => unknown
}

const wrong = { scheme: 'basic', username: 'ci', password: 'right' } as const
const realm = { scheme: 'bearer', username: 'ci', password: SECRET } as const
const login = { username: 'ci', password: SECRET }
const location = (to: string) => (upstream: FakeUpstream) =>
  upstream.on(/./, { status: 307, headers: { Location: to }, times: Infinity })
const everything = (script: Parameters<FakeUpstream['on']>[1]) => (upstream: FakeUpstream) =>
  upstream.on(/./, { ...script, times: Infinity })
const token =
  (body: string, status = 200) =>
  (upstream: FakeUpstream) =>
    upstream.on('/token', { status, body, times: Infinity })
const errorBody = JSON.stringify({ errors: [{ code: `LEAK-${SECRET}`, message: SECRET, detail: SECRET }] })

const TROUBLES: Record<string, Trouble> = {
  'a wrong password': { upstream: { auth: wrong }, upstreamConfig: login },
  'a wrong password for a token': {
    upstream: { auth: { ...wrong, scheme: 'bearer' } },
    upstreamConfig: login,
  },
  'a realm that repeats what it got': {
    upstream: { auth: realm },
    upstreamConfig: login,
    arrange: token(errorBody, 403),
  },
  'a realm that is out of order': {
    upstream: { auth: realm },
    upstreamConfig: login,
    arrange: token(errorBody, 500),
  },
  'a realm that gives no token': {
    upstream: { auth: realm },
    upstreamConfig: login,
    arrange: token(`{"x":"${SECRET}"}`),
  },
  'a token that is refused': {
    upstream: { auth: realm },
    upstreamConfig: login,
    arrange: token(`{"token":"${SECRET}"}`),
  },
  'a token that is none': {
    upstream: { auth: realm },
    upstreamConfig: login,
    arrange: token(`{"token":"${SECRET}\\n"}`),
  },
  'a foreign realm': {
    upstream: { auth: { ...realm, realm: `https://u:${SECRET}@evil.example/?q=${SECRET}` } },
    upstreamConfig: login,
  },
  'a signed URL that fails': {
    arrange: location(`http://127.0.0.1:1/${SECRET}?X-Amz-Signature=${SECRET}#${SECRET}`),
  },
  'a signed URL in a private network': {
    upstreamConfig: { allowPrivate: false },
    arrange: location(`http://10.0.0.1/?sig=${SECRET}`),
  },
  'a signed URL of another scheme': { arrange: location(`ftp://u:${SECRET}@files.example/?sig=${SECRET}`) },
  'a signed URL in a circle': { arrange: location(`/v2/?sig=${SECRET}`) },
  'an error body': { arrange: everything({ status: 500, body: errorBody }) },
  headers: {
    arrange: everything({ status: 403, headers: { 'Set-Cookie': SECRET, Warning: SECRET, 'X-Y': SECRET } }),
  },
  'a body that is no manifest': { arrange: everything({ status: 200, body: SECRET.repeat(100) }) },
  'no HTTP': { arrange: everything({ headers: { [`x ${SECRET}`]: 'y' } }) },
  'a connection that breaks': {
    upstreamConfig: login,
    arrange: everything({ atByte: { k: 1, then: 'reset' } }),
  },
  'nobody there': { upstreamConfig: login, arrange: (upstream) => upstream.stop() },
}

async function secretsIn(
  { upstream: options = {}, upstreamConfig, arrange }: Trouble,
  env: Record<string, string> = {},
): Promise<string> {
  await using upstream = await fakeUpstream({ referrers: true, ...options })
  upstream.addBlob(layer.bytes)
  const { digest } = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  await arrange?.(upstream)
  await using proxy = await startProxy({
    upstream,
    upstreamConfig: { timeouts: { connect: '300ms', headers: '1s', idle: '300ms' }, ...upstreamConfig },
    config: { log: { level: 'trace' } },
    env,
    requests: true,
  })
  const heard: string[] = []
  for (const question of [
    'manifests/latest',
    `manifests/${digest}`,
    `blobs/${layer.digest}`,
    'tags/list',
    `referrers/${digest}`,
  ]) {
    heard.push(await answerTo(`/v2/app/${question}?token=${SECRET}`, proxy.port))
  }
  for (const { headers } of upstream.requests) {
    assert.doesNotMatch(
      `${headers['authorization']} ${headers['cookie']}`,
      new RegExp(base64(`client:${SECRET}`)),
    )
  }
  const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
  const transfers = await (await fetch(`${proxy.adminUrl}/api/v1/transfers`)).text()
  await proxy.stop()
  const lines = proxy.log.map((line) => JSON.stringify(line))
  assert.ok(lines.some((line) => line.includes('"msg":"request"')))
  return [...heard, metrics, transfers, ...lines].join('\n')
}

/** All that a client hears, which has to be over in time. */
async function answerTo(target: string, port: number): Promise<string> {
  using client = await RawClient.connect(port)
  const deadline = AbortSignal.timeout(30_000)
  deadline.addEventListener('abort', () => client.socket.destroy())
  // dockerd sends its own user's login to mirrors.
  const login = `Authorization: Basic ${btoa(`client:${SECRET}`)}`
  client.request('GET', target, [login, `Cookie: ${SECRET}`, 'Connection: close'])
  const answer = (await client.rest()).toString('latin1')
  assert.ok(!deadline.aborted, `${target} took too long; so far: ${answer.slice(0, 1000)}`)
  assert.ok(answer.startsWith('HTTP/1.1 '), answer)
  return answer
}

function tellsNothing(text: string): void {
  for (const leak of LEAKS) {
    const at = text.indexOf(leak)
    assert.ok(at < 0, `…${text.slice(Math.max(0, at - 200), at + 50)}`)
  }
}

suite('SEC-60 nothing that is secret is logged, counted or answered', () => {
  for (const [what, trouble] of Object.entries(TROUBLES)) {
    test(`SEC-60 ${what}`, async () => tellsNothing(await secretsIn(trouble)))
  }

  test('SEC-60 a helper that prints its secret and fails', async () => {
    await using folder = await tempFolder()
    const helper = join(folder.path, 'docker-credential-leaky')
    await writeFile(helper, `#!/bin/sh\necho ${SECRET}; echo ${SECRET} >&2; exit 1\n`)
    await chmod(helper, 0o755)
    const env = { PATH: `${folder.path}:/usr/bin:/bin`, SECRET }
    const trouble = { upstream: { auth: wrong }, upstreamConfig: { credentialHelper: 'leaky' } }
    const text = await secretsIn(trouble, env)
    tellsNothing(text)
    assert.match(text, /docker-credential-leaky ended with 1/)
  })

  test('SEC-60 a proxy that refuses its password', async () => {
    await using proxy = await fakeProxy()
    proxy.refusal = 407
    const env = { HTTP_PROXY: proxy.url.replace('//', `//u:${SECRET}@`) }
    const text = await secretsIn({ upstreamConfig: { url: 'http://registry.example' } }, env)
    tellsNothing(text)
    assert.match(text, /PROXY_407/)
  })
})
