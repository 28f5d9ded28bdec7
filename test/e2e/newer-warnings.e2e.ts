/** What the person who pulls reads at the prompt: podman and skopeo print the text of `Warning: 299`. */
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fakeRegistry } from '../support/registries/fake-registry.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { containersSettings } from './support/containers-settings.ts'
import { pushSmallImage, REPOSITORY } from './support/images.ts'
import { newerRoot } from './support/newer-root.ts'
import { flags, missing, type Outcome } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'
import { tinyImage } from './support/tiny-image.ts'

const newer = await newerRoot()

/** Pulls `tag` as a client that has nothing, from the mirror of docker.io. */
type Pull = (folder: string, proxy: string, tag: string) => Promise<Outcome>

const CLIENTS: Record<string, Pull> = {
  async podman(folder, proxy, tag) {
    const { env, policy } = await containersSettings(folder, proxy)
    const store = flags({ root: join(folder, 'root'), runroot: join(folder, 'run'), 'storage-driver': 'vfs' })
    const pull = ['pull', '--signature-policy', policy, `docker.io/${REPOSITORY}:${tag}`]
    return newer.run('podman', [...store, ...pull], env)
  },
  async skopeo(folder, proxy, tag) {
    const { env, policy, registries } = await containersSettings(folder, proxy)
    const settings = flags({ policy, 'registries-conf': registries })
    const copy = ['copy', `docker://docker.io/${REPOSITORY}:${tag}`, `dir:${join(folder, 'out')}`]
    return newer.run('skopeo', [...settings, ...copy], env)
  },
}

suite(
  'Warning in the output of newer clients',
  { skip: newer.skipWithout() || missing('docker-registry') },
  () => {
    for (const [client, pull] of Object.entries(CLIENTS)) {
      /** What the client prints when it pulls `tag`, as one that has nothing. */
      const prints = async (folder: string, proxy: string, tag: string): Promise<string> => {
        const own = await mkdtemp(join(folder, 'client-'))
        const { code, stderr } = await pull(own, proxy, tag)
        assert.equal(code, 0, stderr)
        return stderr
      }

      test(`${client} tells of a digest that is held back, and of a stale one`, async () => {
        await using folder = await tempFolder()
        await using upstream = await realRegistry(join(folder.path, 'registry'))
        await pushSmallImage('stale', upstream.url)
        await pushSmallImage('moves', upstream.url)
        const coolDown = [{ match: `${REPOSITORY}:moves`, for: '3d' }]
        const config = { cache: { tags: [], coolDown } }
        await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, config)
        const said = (tag: string) => prints(folder.path, proxy.authority, tag)
        for (const tag of ['stale', 'moves']) assert.doesNotMatch(await said(tag), /Warning from registry/)
        await pushSmallImage('moves', upstream.url)
        assert.match(await said('moves'), /library\/app:moves has moved at docker\.io: a cool-down serves/)
        await upstream.stop()
        assert.match(await said('stale'), /served from the cache.*docker\.io refuses connections/)
        assert.doesNotMatch(await said('stale'), /served from the cache/)
      })

      test(`${client} tells of a rate limit that is nearly used up, and of a tag that is gone upstream`, async () => {
        await using folder = await tempFolder()
        const { content } = tinyImage(REPOSITORY, ['v1'])
        await using upstream = await fakeRegistry({ name: 'plain', layers: [] }, content)
        const limit = { 'RateLimit-Limit': '100;w=60', 'RateLimit-Remaining': '7;w=60' }
        upstream.on(/manifests/, { headers: limit, times: Infinity })
        const config = { cache: { tags: [], negative: '0s', keepDeleted: [REPOSITORY] } }
        await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, config)
        const said = () => prints(folder.path, proxy.authority, 'v1')
        assert.match(await said(), /docker\.io leaves 7 of 100 requests until its rate limit/)
        assert.doesNotMatch(await said(), /Warning from registry/)
        upstream.forgetScripts()
        upstream.on(/manifests/, { status: 404, times: Infinity })
        assert.match(await said(), /docker\.io has deleted library\/app:v1/)
      })
    }
  },
)
