import assert from 'node:assert/strict'
import { dockerd } from './support/dockerd.ts'
import { pullSuite } from './support/pull-suite.ts'
import { readmeSnippet } from './support/readme.ts'
import { savedLayers } from './support/saved-layers.ts'

pullSuite('dockerd with the daemon.json of the README', {
  programs: ['dockerd', 'docker', 'containerd', 'tar'],
  cannot: ['nested', 'artifact'],
  // It has mirrors for Docker Hub only.
  elsewhere: ({ authority }) => `${authority}/ghcr.io`,
  async connect(folder, proxy) {
    const daemon = await dockerd(folder, await readmeSnippet('docker', proxy.authority))

    return {
      async pull(name, image) {
        await daemon.docker('pull', '--quiet', name)
        const [stored] = JSON.parse(await daemon.docker('image', 'inspect', name))
        assert.equal(stored.Id, image.configDigest)
        const layers = await savedLayers(folder, (file) => daemon.docker('save', '--output', file, stored.Id))
        assert.deepEqual(layers, image.diffIds)
        const repository = name.replace(/[@:][^/]*$/, '').replace('docker.io/library/', '')
        assert.deepEqual(stored.RepoDigests, [`${repository}@${image.digest}`])
      },
      attempt: (reference) => daemon.tryDocker('pull', reference),
      async forget() {
        await daemon.docker('image', 'prune', '--all', '--force')
        assert.equal(await daemon.docker('image', 'ls', '--all', '--quiet'), '')
      },
      [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    }
  },
})
