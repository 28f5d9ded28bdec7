import assert from 'node:assert/strict'
import { dockerd, type DockerdOptions } from '../dockerd.ts'
import type { Digest } from '../../../../src/oci/digest.ts'
import type { Kind } from '../images.ts'
import type { PullSuiteOptions } from '../pull-suite.ts'
import { readmeSnippet } from '../readme.ts'
import { savedLayers } from '../saved-layers.ts'
import type { System } from '../system.ts'

export interface DockerPullOptions extends Pick<DockerdOptions, 'isContainerdStore'> {
  readonly system: System
  readonly cannot: readonly Kind[]
}

/** dockerd with the daemon.json of the README. It has mirrors for Docker Hub only. */
export function dockerPulls({
  system,
  cannot,
  isContainerdStore = false,
}: DockerPullOptions): PullSuiteOptions {
  return {
    skip: system.skipWithout('dockerd', 'docker', 'containerd', 'tar'),
    cannot,
    elsewhere: ({ authority }) => `${authority}/ghcr.io`,
    async connect(folder, proxy) {
      const json = await readmeSnippet('docker', proxy.authority)
      const daemon = await dockerd(folder, json, { system, isContainerdStore })

      return {
        async pull(name, image) {
          await daemon.docker('pull', '--quiet', name)
          if (isContainerdStore) {
            const stored = await daemon.stored()
            assert.ok(stored.includes(image.digest), image.kind)
            for (const digest of stored) assert.ok(image.content.has(digest as Digest), digest)
          }
          const [stored] = JSON.parse(await daemon.docker('image', 'inspect', name))
          const repository = name.replace(/[@:][^/]*$/, '').replace('docker.io/library/', '')
          assert.deepEqual(stored.RepoDigests, [`${repository}@${image.digest}`])
          // Which image of an index in an index it takes is its own business, and an artifact is none.
          if (image.configDigest === undefined) return
          assert.equal(stored.Id, isContainerdStore ? image.digest : image.configDigest)
          const layers = await savedLayers(folder, (file) =>
            daemon.docker('save', '--output', file, stored.Id),
          )
          assert.deepEqual(layers, image.diffIds)
        },
        attempt: (reference) => daemon.tryDocker('pull', reference),
        async forget() {
          await daemon.docker('image', 'prune', '--all', '--force')
          assert.equal(await daemon.docker('image', 'ls', '--all', '--quiet'), '')
        },
        [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
      }
    },
  }
}
