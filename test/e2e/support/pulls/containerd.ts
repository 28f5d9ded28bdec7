import assert from 'node:assert/strict'
import { containerd } from '../containerd.ts'
import type { PullSuiteOptions } from '../pull-suite.ts'
import { readmeSnippet } from '../readme.ts'
import type { System } from '../system.ts'

/** containerd with the hosts.toml of the README. */
export function containerdPulls(system: System): PullSuiteOptions {
  return {
    skip: system.skipWithout('containerd', 'ctr'),
    cannot: [],
    elsewhere: () => 'ghcr.io',
    async connect(folder, proxy) {
      const toml = await readmeSnippet('containerd', proxy.authority)
      const hosts = {
        'docker.io': toml,
        'ghcr.io': toml.replace('https://registry-1.docker.io', 'https://ghcr.io'),
      }
      const daemon = await containerd(folder, { hosts, system })

      return {
        async pull(name, image) {
          // What is no image for this machine cannot be unpacked, but fetched.
          const isRunnable = image.configDigest !== undefined
          const command = isRunnable ? ['images', 'pull', '--snapshotter', 'native'] : ['content', 'fetch']
          await daemon.ctr(...command, '--hosts-dir', daemon.hosts, '--all-platforms', name)
          assert.deepEqual(new Set(await daemon.stored()), new Set(image.content.keys()), image.kind)
          const [line = ''] = (await daemon.ctr('images', 'ls', `name==${name}`)).split('\n').slice(1)
          assert.ok(line.includes(image.digest), line)
        },
        attempt: (reference) => daemon.tryCtr('content', 'fetch', '--plain-http', reference),
        async forget() {
          const names = (await daemon.ctr('images', 'ls', '-q')).split('\n').filter(Boolean)
          if (names.length > 0) await daemon.ctr('images', 'rm', '--sync', ...names)
          const left = await daemon.stored()
          if (left.length > 0) await daemon.ctr('content', 'rm', ...left)
          assert.deepEqual(await daemon.stored(), [])
        },
        [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
      }
    },
  }
}
