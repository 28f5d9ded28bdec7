import assert from 'node:assert/strict'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../../../../src/oci/digest.ts'
import { containersSettings } from '../containers-settings.ts'
import { flags } from '../processes.ts'
import type { PullSuiteOptions } from '../pull-suite.ts'
import type { System } from '../system.ts'

/** skopeo with the registries.conf of the README. */
export function skopeoPulls(system: System): PullSuiteOptions {
  return {
    skip: system.skipWithout('skopeo'),
    cannot: ['nested'],
    elsewhere: () => 'ghcr.io',
    async connect(folder, proxy) {
      const { env, policy, registries } = await containersSettings(folder, proxy.authority)
      const out = join(folder, 'out')
      const copy = (reference: string, ...options: readonly string[]) => [
        ...flags({ policy, 'registries-conf': registries }),
        'copy',
        '--all',
        ...options,
        `docker://${reference}`,
        `dir:${out}`,
      ]
      return {
        async pull(name, image) {
          await system.succeed('skopeo', copy(name), env)
          const files = (await readdir(out)).filter((file) => file !== 'version')
          const bytes = await Promise.all(files.map((file) => readFile(join(out, file))))
          assert.deepEqual(new Set(bytes.map((one) => digestOf(one))), new Set(image.content.keys()))
          for (const one of bytes) assert.ok(image.content.get(digestOf(one))?.equals(one))
        },
        attempt: (reference) => system.run('skopeo', copy(reference, '--src-tls-verify=false'), env),
        forget: () => rm(out, { recursive: true, force: true }),
        async [Symbol.asyncDispose]() {},
      }
    },
  }
}
