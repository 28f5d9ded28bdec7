/** `entrepot adopt`: a store of registry:2 is taken over, and left as it was. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { type Digest, digestOf, hexOf } from '../../src/oci/digest.ts'
import { DOCKER_MANIFEST, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { runEntrepot } from '../support/child.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { tempFolder } from '../support/temp-folder.ts'

/** Epoch seconds, of every tag. */
const TAGGED_AT = 1_700_000_000.123_456

/** Writes what distribution's file-system driver does. */
class Registry2 {
  readonly #base: string

  constructor(folder: string) {
    this.#base = join(folder, 'docker', 'registry', 'v2')
  }

  blobPath(digest: Digest): string {
    return join(this.#base, 'blobs', 'sha256', hexOf(digest).slice(0, 2), hexOf(digest), 'data')
  }

  async blob(bytes: Uint8Array, digest = digestOf(bytes)): Promise<Digest> {
    await this.#write(this.blobPath(digest), bytes)
    return digest
  }

  async layer(repository: string, digest: Digest): Promise<void> {
    await this.#write(this.#in(repository, '_layers', 'sha256', hexOf(digest), 'link'), digest)
  }

  async manifest(repository: string, digest: Digest, tag?: string): Promise<void> {
    const revision = this.#in(repository, '_manifests', 'revisions', 'sha256', hexOf(digest), 'link')
    await this.#write(revision, digest)
    if (tag === undefined) return
    const link = this.#in(repository, '_manifests', 'tags', tag, 'current', 'link')
    await this.#write(link, digest)
    await utimes(link, TAGGED_AT, TAGGED_AT)
  }

  #in(repository: string, ...rest: readonly string[]): string {
    return join(this.#base, 'repositories', ...repository.split('/'), ...rest)
  }

  async #write(path: string, content: Uint8Array | string): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
  }
}

/** Everything below a folder, with what must not change. */
async function snapshot(folder: string): Promise<object> {
  const names = (await readdir(folder, { recursive: true })).toSorted()
  const entries = await Promise.all(
    names.map(async (name) => {
      const { mode, mtimeMs, size, ino } = await stat(join(folder, name))
      return [name, { mode, mtimeMs, size, ino }] as const
    }),
  )
  return Object.fromEntries(entries)
}

async function scene(folder: string) {
  const old = join(folder, 'old')
  const registry = new Registry2(old)
  const layers = [blobOf(300_000, 1), blobOf(0, 2), blobOf(20_000, 3)]
  const bytes = layers.map((layer) => layer.bytes)
  const image = Buffer.from(manifestOf(bytes))
  const docker = Buffer.from(
    JSON.stringify({ ...JSON.parse(image.toString()), mediaType: DOCKER_MANIFEST, schemaVersion: 2 }),
  )
  for (const one of [...bytes, image, docker]) await registry.blob(one)
  for (const repository of ['library/app', 'org/team/app'])
    for (const { digest } of layers) await registry.layer(repository, digest)
  await registry.manifest('library/app', digestOf(image), '1')
  await registry.manifest('library/app', digestOf(docker))
  await registry.manifest('org/team/app', digestOf(docker), 'latest')
  const file = join(folder, 'proxy.config.yaml')
  const root = join(folder, 'store')
  await writeFile(file, stringify({ storage: { root, minFree: 0 } }))
  const adopt = (...args: readonly string[]) => runEntrepot('adopt', ...args, '--config', file)
  return { old, registry, layers, image, docker, file, root, adopt }
}

suite('entrepot adopt', () => {
  test('takes content, rights and tags, so that pulls ask upstream for no blob, and changes nothing', async () => {
    await using folder = await tempFolder()
    const { old, layers, image, docker, adopt } = await scene(folder.path)
    const before = await snapshot(old)
    const { code, stdout, stderr } = await adopt(old)
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /^docker\.io\/library\/app: 1 tag, .* \(4 linked, 1 copied\)$/m)
    assert.match(stdout, /^docker\.io\/org\/team\/app: 1 tag, .* \(4 present\)$/m)
    assert.match(stdout, /^adopted 5 objects of 2 repositories$/m)
    assert.deepEqual(await snapshot(old), before)

    await using upstream = await fakeUpstream()
    upstream.addManifest('library/app', '1', image, OCI_MANIFEST)
    await using proxy = await startProxy({
      upstream,
      config: { storage: { root: join(folder.path, 'store'), minFree: 0 } },
    })
    for (const [repository, tag, manifest, type] of [
      ['library/app', '1', image, OCI_MANIFEST],
      ['org/team/app', digestOf(docker), docker, DOCKER_MANIFEST],
    ] as const) {
      const answer = await call(proxy.port, 'GET', `/v2/${repository}/manifests/${tag}`)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['content-type'], type)
      assert.deepEqual(answer.body, manifest)
      for (const { digest, bytes } of layers) {
        const blob = await call(proxy.port, 'GET', `/v2/${repository}/blobs/${digest}`)
        assert.deepEqual([blob.status, digestOf(blob.body)], [200, digestOf(bytes)])
      }
    }
    const asked = upstream.requests.map(({ method, path }) => `${method} ${path}`)
    assert.deepEqual(
      asked.filter((line) => !line.endsWith('/v2/')),
      ['HEAD /v2/library/app/manifests/1'],
    )
  })

  test('run again, nothing is read; a damaged file is named and left out; a symbolic link is not followed', async () => {
    await using folder = await tempFolder()
    const { old, registry, file, adopt } = await scene(folder.path)
    const lie = await registry.blob(Buffer.from('these bytes'), digestOf(Buffer.from('other bytes')))
    await registry.layer('library/app', lie)
    const gone = digestOf(Buffer.from('gone'))
    await registry.layer('library/app', gone)
    const linked = digestOf(Buffer.from('secret'))
    await mkdir(dirname(registry.blobPath(linked)), { recursive: true })
    await writeFile(join(folder.path, 'secret'), 'secret')
    await symlink(join(folder.path, 'secret'), registry.blobPath(linked))
    await registry.layer('library/app', linked)

    const first = await adopt(old)
    assert.match(first.stdout, /library\/app: .*\(4 linked, 1 copied, 2 missing, 1 damaged\)/)
    assert.match(first.stderr, new RegExp(`library/app: ${lie} is damaged there`))
    assert.match(first.stdout, /; 3 objects missing or damaged there$/m)
    const again = await adopt(old)
    assert.match(again.stdout, /library\/app: .*\(5 present, 2 missing, 1 damaged\)/)
    const verified = await runEntrepot('verify', '--config', file)
    assert.match(verified.stdout, /verified 5 objects.*no damage found/)
  })

  test('--copy shares no file, --as names the upstream, and so does the configuration of the old one', async () => {
    await using folder = await tempFolder()
    const { old, registry, layers, root, adopt } = await scene(folder.path)
    const copied = await adopt(old, '--copy', '--as', 'quay.io')
    assert.match(copied.stdout, /^quay\.io\/library\/app: .*\(5 copied\)$/m)
    const hex = hexOf(layers[0]!.digest)
    const ours = await stat(join(root, 'blobs', 'sha256', hex.slice(0, 2), hex))
    assert.notEqual(ours.ino, (await stat(registry.blobPath(layers[0]!.digest))).ino)
    assert.equal(ours.mode & 0o777, 0o600)

    const config = join(folder.path, 'config.yml')
    const proxy = (remoteurl: string) =>
      writeFile(config, stringify({ proxy: { remoteurl }, storage: { filesystem: { rootdirectory: old } } }))
    await proxy('https://ghcr.io')
    assert.match((await adopt(config)).stdout, /^ghcr\.io\/library\/app: /m)
    await proxy('https://other.example')
    const unknown = await adopt(config)
    assert.deepEqual([unknown.code, unknown.stdout], [64, ''])
    assert.match(unknown.stderr, /no upstream has the url https:\/\/other\.example/)
    const mistyped = await adopt(old, '--as', 'guay.io')
    assert.match(mistyped.stderr, /--as must be one of the upstreams, .*: did you mean quay\.io\?/)
  })

  test('with a bucket it says that what was adopted is not uploaded by itself', async () => {
    await using folder = await tempFolder()
    const { old, adopt } = await scene(folder.path)
    const file = join(folder.path, 'proxy.config.yaml')
    const s3 = { endpoint: 'http://127.0.0.1:1', bucket: 'images', accessKeyId: 'k', secretAccessKey: 's' }
    const config = parse(await readFile(file, 'utf8')) as { storage: object }
    await writeFile(file, stringify({ ...config, storage: { ...config.storage, s3 } }))
    assert.match(
      (await adopt(old)).stderr,
      /what was adopted is not uploaded to storage\.s3 by itself: entrepot migrate store --to s3 /,
    )
    assert.doesNotMatch((await adopt(old)).stderr, /storage\.s3/, 'nothing was adopted now')
  })

  test('what is no store of registry:2, and a store that a process has open, are refused', async () => {
    await using folder = await tempFolder()
    const { old, adopt } = await scene(folder.path)
    const none = await adopt(join(old, 'docker'))
    assert.equal(none.code, 1)
    assert.match(none.stderr, /is no store of registry:2: it has no docker\/registry\/v2\/repositories\n$/)
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({
      upstream,
      config: { storage: { root: join(folder.path, 'store'), minFree: 0 } },
    })
    const busy = await adopt(old)
    assert.equal(busy.code, 1)
    assert.match(busy.stderr, /has the store open: stop it first/)
    assert.ok(proxy.port > 0)
    assert.ok((await readFile(join(folder.path, 'proxy.config.yaml'), 'utf8')).length > 0)
  })
})
