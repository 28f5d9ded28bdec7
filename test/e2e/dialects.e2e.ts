/** Real clients before registries that do things their own way, and with the proxy named in every form they have. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { EVERY_REGISTRY } from '../support/registries/every-registry.ts'
import { fakeRegistry } from '../support/registries/fake-registry.ts'
import type { Layer } from '../support/registries/layer.ts'
import { pages } from '../support/registries/pages.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { containerd } from './support/containerd.ts'
import { newerRoot } from './support/newer-root.ts'
import { flags, missing, succeed } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { THIS_MACHINE } from './support/system.ts'
import { tinyImage } from './support/tiny-image.ts'

const REPOSITORY = 'org/app'
const REGISTRY = 'registry.example'

const upstreamsOf = (url: string) => ({ upstreams: { [REGISTRY]: { url } }, defaultUpstream: REGISTRY })

suite('skopeo list-tags of 5,000 tags', { skip: missing('skopeo') }, () => {
  const tags = Array.from({ length: 5000 }, (_, i) => `build-${i}`)
  const { content } = tinyImage(REPOSITORY, tags)
  const opaque = { parameter: 'last', opaque: true }
  const STYLES: Record<string, readonly Layer[]> = {
    'in one piece': [],
    'by last': [pages({ size: 100, most: 1000 })],
    'by an opaque cursor, 50 a page': [
      pages({
        size: 50,
        most: 100,
        beyond: 400,
        cursor: { parameter: 'next_page', opaque: true },
        ignoresLast: true,
      }),
    ],
    'by an absolute link': [
      pages({
        size: 100,
        most: 1000,
        beyond: 405,
        cursor: opaque,
        link: (path, query, { url }) => `${url}${path}?${query}`,
      }),
    ],
    'by next in the body': [pages({ size: 100, cursor: opaque, nextIn: 'body' })],
    'in no order': [pages({ size: 100, cursor: opaque, order: (all) => all.toReversed() })],
  }
  for (const [style, layers] of Object.entries(STYLES)) {
    test(style, async () => {
      await using folder = await tempFolder()
      await using upstream = await fakeRegistry({ name: style, layers }, content)
      await using proxy = await proxyProcess(
        join(folder.path, 'proxy'),
        upstream.url,
        upstreamsOf(upstream.url),
      )
      const options = flags({ 'tls-verify': 'false' })
      const listed = await succeed('skopeo', [
        'list-tags',
        ...options,
        `docker://${proxy.authority}/${REPOSITORY}`,
      ])
      assert.deepEqual(JSON.parse(listed).Tags, tags.toSorted())
    })
  }
})

suite('a pull from every registry', { skip: missing('skopeo') }, () => {
  for (const dialect of EVERY_REGISTRY) {
    const { name, login } = dialect()
    test(name, async () => {
      await using folder = await tempFolder()
      const { content, manifest } = tinyImage(REPOSITORY, ['latest'])
      await using upstream = await fakeRegistry(dialect(), content)
      const config = { upstreams: { [REGISTRY]: { url: upstream.url, ...login } }, defaultUpstream: REGISTRY }
      await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, config)
      const source = `docker://${proxy.authority}/${REPOSITORY}`
      const copy = ['copy', '--insecure-policy', '--src-tls-verify=false']
      await succeed('skopeo', [...copy, `${source}:latest`, `dir:${join(folder.path, 'one')}`])
      await upstream.stop()
      await succeed('skopeo', [...copy, `${source}@${manifest}`, `dir:${join(folder.path, 'two')}`])
    })
  }
})

const SYSTEMS = { "this machine's": THIS_MACHINE, 'a newer one': await newerRoot() }

for (const [name, system] of Object.entries(SYSTEMS)) {
  test(
    `FR-01 podman with a mirror that has a path: ${name}`,
    { skip: system.skipWithout('podman') },
    async () => {
      await using folder = await tempFolder()
      const { content, config } = tinyImage(REPOSITORY, ['latest'])
      await using upstream = await fakeRegistry({ name: 'plain', layers: [] }, content)
      await using proxy = await proxyProcess(
        join(folder.path, 'proxy'),
        upstream.url,
        upstreamsOf(upstream.url),
      )
      const registries = join(folder.path, 'registries.conf')
      const policy = join(folder.path, 'policy.json')
      await writeFile(
        registries,
        `[[registry]]
prefix = "${REGISTRY}"
location = "${REGISTRY}"
[[registry.mirror]]
location = "${proxy.authority}/${REGISTRY}"
insecure = true
`,
      )
      await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
      const env = {
        CONTAINERS_REGISTRIES_CONF: registries,
        TMPDIR: folder.path,
        HOME: folder.path,
        XDG_RUNTIME_DIR: folder.path,
      }
      const store = flags({
        root: join(folder.path, 'root'),
        runroot: join(folder.path, 'run'),
        'storage-driver': 'vfs',
      })
      const pull = ['pull', '--quiet', '--signature-policy', policy, `${REGISTRY}/${REPOSITORY}:latest`]
      const id = (await system.succeed('podman', [...store, ...pull], env)).trim().split('\n').at(-1)
      assert.equal(`sha256:${id}`, config)
      for (const { path } of upstream.requests)
        assert.ok(path === '/v2/' || path.startsWith(`/v2/${REPOSITORY}/`), path)
    },
  )
}

suite('FR-01 containerd with a path', () => {
  const forms = {
    'FR-01 override_path': (authority: string) =>
      `[host."http://${authority}/v2/${REGISTRY}"]\n  capabilities = ["pull", "resolve"]\n  override_path = true\n`,
    'a plain mirror': (authority: string) =>
      `[host."http://${authority}"]\n  capabilities = ["pull", "resolve"]\n`,
  }
  for (const [name, system] of Object.entries(SYSTEMS)) {
    for (const [form, toml] of Object.entries(forms)) {
      test(`${form}: ${name}`, { skip: system.skipWithout('containerd', 'ctr') }, async () => {
        await using folder = await tempFolder()
        const { content, manifest } = tinyImage(REPOSITORY, ['latest'])
        await using upstream = await fakeRegistry({ name: 'plain', layers: [] }, content)
        await using proxy = await proxyProcess(
          join(folder.path, 'proxy'),
          upstream.url,
          upstreamsOf(upstream.url),
        )
        const daemon = await containerd(folder.path, { hosts: { [REGISTRY]: toml(proxy.authority) }, system })
        await using _daemon = daemon
        const name = `${REGISTRY}/${REPOSITORY}:latest`
        await daemon.ctr('content', 'fetch', '--hosts-dir', daemon.hosts, '--all-platforms', name)
        assert.ok((await daemon.stored()).includes(manifest))
        for (const { path } of upstream.requests) assert.ok(path.startsWith(`/v2/${REPOSITORY}/`), path)
      })
    }
  }
})
