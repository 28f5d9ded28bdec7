/** What the person who pulls reads at the prompt: podman and skopeo print the text of `Warning: 299`. */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { tempFolder } from '../support/temp-folder.ts'
import { containersSettings } from './support/containers-settings.ts'
import { pushSmallImage, REPOSITORY } from './support/images.ts'
import { newerRoot } from './support/newer-root.ts'
import { flags, missing, type Outcome } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'

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
      test(`${client} tells of a digest that is held back, and of a stale one`, async () => {
        await using folder = await tempFolder()
        await using upstream = await realRegistry(join(folder.path, 'registry'))
        await pushSmallImage('stale', upstream.url)
        await pushSmallImage('moves', upstream.url)
        const coolDown = [{ match: `${REPOSITORY}:moves`, for: '3d' }]
        const config = { cache: { tags: [], coolDown } }
        await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, config)
        let count = 0
        const said = async (tag: string): Promise<string> => {
          const own = join(folder.path, `client-${count++}`)
          await mkdir(own)
          const { code, stderr } = await pull(own, proxy.authority, tag)
          assert.equal(code, 0, stderr)
          return stderr
        }
        for (const tag of ['stale', 'moves']) assert.doesNotMatch(await said(tag), /Warning from registry/)
        await pushSmallImage('moves', upstream.url)
        assert.match(await said('moves'), /library\/app:moves has moved at docker\.io: a cool-down serves/)
        await upstream.stop()
        assert.match(await said('stale'), /served from the cache.*docker\.io refuses connections/)
        assert.doesNotMatch(await said('stale'), /served from the cache/)
      })
    }
  },
)
