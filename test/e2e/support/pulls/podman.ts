import assert from 'node:assert/strict'
import { join } from 'node:path'
import { containersSettings } from '../containers-settings.ts'
import { flags } from '../processes.ts'
import type { PullSuiteOptions } from '../pull-suite.ts'
import { savedLayers } from '../saved-layers.ts'
import type { System } from '../system.ts'

/** podman with the registries.conf of the README. */
export function podmanPulls(system: System): PullSuiteOptions {
  return {
    skip: system.skipWithout('podman', 'tar'),
    cannot: ['nested', 'artifact'],
    elsewhere: () => 'ghcr.io',
    async connect(folder, proxy) {
      const { env, policy } = await containersSettings(folder, proxy.authority)
      const store = flags({
        root: join(folder, 'root'),
        runroot: join(folder, 'run'),
        'storage-driver': 'vfs',
      })
      const podman = (...args: readonly string[]) => system.succeed('podman', [...store, ...args], env)
      const pull = ['pull', '--quiet', '--signature-policy', policy]

      return {
        async pull(name, image) {
          await podman(...pull, name)
          const [stored] = JSON.parse(await podman('image', 'inspect', name))
          assert.equal(`sha256:${stored.Id}`, image.configDigest)
          const layers = await savedLayers(folder, (file) =>
            podman('save', '--quiet', '--output', file, stored.Id),
          )
          assert.deepEqual(layers, image.diffIds)
          assert.ok(
            stored.RepoDigests.includes(`${name.replace(/[@:][^/]*$/, '')}@${image.digest}`),
            `${stored.RepoDigests}`,
          )
        },
        attempt: (reference) =>
          system.run('podman', [...store, ...pull, '--tls-verify=false', reference], env),
        async forget() {
          await podman('image', 'rm', '--all', '--force')
          assert.equal(await podman('image', 'ls', '--all', '--quiet'), '')
        },
        async [Symbol.asyncDispose]() {},
      }
    },
  }
}
