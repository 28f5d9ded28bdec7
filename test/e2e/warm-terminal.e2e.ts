/** `entrepot warm` as a person sees it: a bar for each image on its way. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { missing, succeed } from './support/processes.ts'

const ROOT = join(import.meta.dirname, '..', '..')

test('a compose file of ten images is warmed in a terminal', { skip: missing('tmux') }, async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({ upstream })
  upstream.addBlob(Buffer.from('{}'))
  const names = Array.from({ length: 10 }, (_, i) => `service-${i}`)
  for (const [i, name] of names.entries()) {
    const layer = blobOf(3_000_000, i + 1).bytes
    upstream.addBlob(layer)
    upstream.addManifest(`library/${name}`, '1', manifestOf([layer]), OCI_MANIFEST)
  }
  upstream.on(/blobs/, { method: 'GET', bytesPerSecond: 2_000_000, times: 99 })
  const file = join(proxy.folder, 'compose.yaml')
  await writeFile(file, `services:\n${names.map((name) => `  ${name}: { image: '${name}:1' }\n`).join('')}`)
  const socket = join(proxy.folder, 'tmux')
  const tmux = (...args: readonly string[]) => succeed('tmux', ['-S', socket, ...args])
  const command = `${process.execPath} ${join(ROOT, 'src/main.ts')} warm -f ${file} --server ${proxy.adminUrl}; echo ended $?; sleep 60`
  await tmux('new-session', '-d', '-x', '120', '-y', '40', command)
  try {
    const screen = () => tmux('capture-pane', '-p')
    // Two or more images on their way, and how many are done.
    await eventually(async () => {
      const lines = (await screen()).split('\n')
      const running = lines.filter((line) => /service-\d:1.* [█·]{24} +\d+ % .*of 2\.9 MiB/.test(line))
      return running.length >= 2 && lines.some((line) => /^images +[█·]{24} +\d+ % +\d of 10$/.test(line))
    }, 60_000)
    await eventually(async () => (await screen()).includes('ended 0'), 60_000)
    const end = await screen()
    assert.match(end, /compose\.yaml: 10 images \(compose\)/)
    for (const name of names)
      assert.match(
        end,
        new RegExp(`^done +docker\\.io/library/${name}:1: 2\\.9 MiB, 2\\.9 MiB fetched$`, 'm'),
      )
    assert.match(end, /^10 images stored: 29 MiB, 29 MiB fetched$/m)
    assert.doesNotMatch(end, /[█·]{24}/)
  } finally {
    await tmux('kill-server')
  }
})
