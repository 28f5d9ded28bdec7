/** Pushing to a docker-registry that asks for a password, or for tokens: bytes once, mounts, and a quick second run. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hash } from 'bcryptjs'
import { digestOf } from '../../src/oci/digest.ts'
import { partsIn } from '../../src/oci/manifest-parts.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { runEntrepotWith } from '../support/child.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { flags, missing, succeed } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'
import { tokenServer } from './support/token-server.ts'

const KiB = 1024
const IMAGES = 30
const GROUPS = 6
const USER = 'ci-7'
const PASSWORD = 'first pass'
const skip = missing('docker-registry', 'skopeo', 'openssl')

/** Images of a layer that all share, one that five share, and one of their own. */
function addImages(upstream: FakeUpstream): {
  readonly digests: Map<string, string>
  readonly bytes: number
} {
  const config = Buffer.from('{}')
  const base = blobOf(1024 * KiB, 1).bytes
  const groups = Array.from({ length: GROUPS }, (_, i) => blobOf(200 * KiB, 10 + i).bytes)
  const own = Array.from({ length: IMAGES }, (_, i) => blobOf(30 * KiB, 100 + i).bytes)
  const blobs = [config, base, ...groups, ...own]
  for (const bytes of blobs) upstream.addBlob(bytes)
  const digests = new Map<string, string>()
  for (const [i, layer] of own.entries()) {
    const body = manifestOf([base, groups[i % GROUPS]!, layer])
    upstream.addManifest(`org/app-${i}`, '1', body, OCI_MANIFEST)
    digests.set(`org/app-${i}`, digestOf(body))
  }
  return { digests, bytes: blobs.reduce((sum, { length }) => sum + length, 0) }
}

for (const kind of ['htpasswd', 'token'] as const) {
  suite(
    `${IMAGES} images that share layers, pushed to a registry with ${kind} authentication`,
    { skip },
    () => {
      test('send each byte once, mount the rest, and ask once for each image the second time', async (t) => {
        await using folder = await tempFolder()
        await using upstream = await fakeUpstream()
        const { digests, bytes } = addImages(upstream)
        await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
        for (const name of digests.keys()) await fetch(`${proxy.url}/v2/${name}/manifests/1`)
        const there = join(folder.path, 'registry')
        await using tokens = await tokenServer({
          folder: there,
          username: USER,
          password: PASSWORD,
          life: 300,
        })
        const path = join(folder.path, 'htpasswd')
        await writeFile(path, `${USER}:${await hash(PASSWORD, 4)}\n`)
        const auth = kind === 'token' ? tokens.auth : { htpasswd: { realm: 'registry', path } }
        const push = async (registry: { readonly url: string }) => {
          const realm = kind === 'token' ? ['--token-realm', tokens.url] : []
          const { code, stdout, stderr } = await runEntrepotWith(
            { input: `${PASSWORD}\n` },
            ...['push', 'org/*', `${registry.url}/cache`, '--username', USER, ...realm],
            ...['--server', proxy.adminUrl, '--json'],
          )
          assert.deepEqual([code, stderr], [0, ''], stdout)
          return JSON.parse(stdout) as Record<string, number>
        }
        {
          await using registry = await realRegistry(there, auth)
          const first = await push(registry)
          const asked = await registry.requests()
          const answered = (method: string, pattern: RegExp, status: number) =>
            asked.filter((one) => one.method === method && pattern.test(one.path) && one.status === status)
              .length
          assert.deepEqual([first['pushed'], first['failed'], first['sent']], [IMAGES, 0, bytes])
          // Wherever another repository is known to have a blob, it is mounted: each but the first of its kind.
          const repeated = IMAGES - 1 + (IMAGES - GROUPS) + (IMAGES - 1)
          assert.equal(answered('POST', /[?&]mount=/, 201), repeated)
          assert.equal(first['mounted'], repeated)
          assert.equal(answered('PUT', /\/blobs\/uploads\//, 201), 2 + GROUPS + IMAGES)
          t.diagnostic(`first run: ${asked.length} requests, ${first['seconds']} s, ${repeated} mounts`)

          await registry.forget()
          const second = await push(registry)
          assert.deepEqual([second['unchanged'], second['pushed'], second['sent']], [IMAGES, 0, 0])
          const again = await registry.requests()
          assert.deepEqual(
            again.filter(({ method }) => method !== 'HEAD'),
            [],
          )
          for (const name of digests.keys()) {
            const own = again.filter((one) => one.path.startsWith(`/v2/cache/${name}/`))
            assert.ok(own.length >= 1 && own.length <= 2, `${name}: ${own.length} requests`)
          }
          t.diagnostic(`second run: ${again.length} requests, ${second['seconds']} s`)
          assert.ok(proxy.program.lines.every((line) => !line.includes(PASSWORD)))
        }
        // Without authentication, which is not what is shown here.
        await using open = await realRegistry(there)
        for (const [name, digest] of digests) assert.equal(await pulled(open.url, `cache/${name}`), digest)
        const out = join(folder.path, 'out')
        const source = `docker://${open.authority}/cache/org/app-7:1`
        await succeed('skopeo', [
          ...['copy', '--insecure-policy', ...flags({ 'src-tls-verify': false }), source, `dir:${out}`],
        ])
      })
    },
  )
}

/** Pulls all of an image, and checks every byte. @returns the digest of its manifest */
async function pulled(url: string, repository: string): Promise<string> {
  const get = async (path: string) => {
    const answer = await fetch(`${url}/v2/${repository}/${path}`, { headers: { accept: OCI_MANIFEST } })
    assert.equal(answer.status, 200, path)
    return Buffer.from(await answer.arrayBuffer())
  }
  const manifest = await get('manifests/1')
  for (const { digest } of partsIn(manifest).content)
    assert.equal(digestOf(await get(`blobs/${digest}`)), digest)
  return digestOf(manifest)
}
