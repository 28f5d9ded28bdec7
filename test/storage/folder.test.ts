/** Which folders become a store, who may look into it, and what the start says when it cannot use one. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { faultFiles } from '../support/fault-files.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { halted } from './killed.ts'
import { contentOf, holdsOnly, openStore, put, storeFolder } from './setup.ts'

const blob = blobOf(1000, 1)
const modeOf = async (path: string) => (await stat(path)).mode & 0o777

/** Everything below `path` that others than its owner may use. */
async function openToOthers(path: string): Promise<readonly string[]> {
  const names = ['', ...(await readdir(path, { recursive: true }))]
  const modes = await Promise.all(names.map(async (name) => ({ name, mode: await modeOf(join(path, name)) })))
  return modes.filter(({ mode }) => (mode & 0o077) !== 0).map(({ name }) => name)
}

suite('SEC-76: the store is for its owner only', () => {
  test('a new one, whatever the umask', async () => {
    const umask = process.umask(0)
    try {
      await using folder = await storeFolder()
      await chmod(folder.path, 0o755)
      await using store = await folder.open()
      await put(store, blob)
      await using ingest = await store.blobs.ingest({ digest: blobOf(2000).digest })
      await ingest.write(blobOf(2000).bytes.subarray(0, 100), 0)
      await ingest.keep()
      assert.deepEqual(await openToOthers(folder.path), [])
    } finally {
      process.umask(umask)
    }
  })

  test('one that was open to all is closed: at once its root, in time its files', async () => {
    await using folder = await storeFolder()
    {
      await using store = await folder.open()
      await put(store, blob)
    }
    for (const name of ['', ...(await readdir(folder.path, { recursive: true }))]) {
      const path = join(folder.path, name)
      await chmod(path, (await stat(path)).isDirectory() ? 0o755 : 0o644)
    }
    await using store = await folder.open()
    assert.equal(await modeOf(folder.path), 0o700)
    assert.equal(await modeOf(join(folder.path, 'index.sqlite')), 0o600)
    await eventually(async () => (await modeOf(folder.pathOf(blob))) === 0o600)
    assert.deepEqual(await contentOf(store, blob), blob.bytes)
  })

  test("somebody else's lock on the index is named", { skip: process.platform !== 'linux' }, async () => {
    await using folder = await storeFolder()
    await (await folder.open()).close()
    const script = `
      const { DatabaseSync } = require('node:sqlite')
      new DatabaseSync(${JSON.stringify(join(folder.path, 'index.sqlite'))}).exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
      console.log('held')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      await child.stdout[Symbol.asyncIterator]().next()
      await assert.rejects(
        folder.open(),
        new RegExp(`index\\.sqlite is locked by process ${child.pid} \\(.+\\)`),
      )
    } finally {
      child.kill('SIGKILL')
      await new Promise((resolve) => child.once('close', resolve))
    }
    await (await folder.open()).close()
  })
})

suite('SEC-94: a folder of somebody else', () => {
  test('is refused and not touched, when it is not empty and has no FORMAT', async () => {
    await using folder = await tempFolder()
    await mkdir(join(folder.path, 'ingest'))
    await mkdir(join(folder.path, 'blobs', 'sha256'), { recursive: true })
    await writeFile(join(folder.path, 'ingest', 'precious'), 'mine')
    await chmod(folder.path, 0o755)
    await assert.rejects(openStore(folder.path), /is not a store: it has no FORMAT file but contains "/)
    assert.equal(await readFile(join(folder.path, 'ingest', 'precious'), 'utf8'), 'mine')
    assert.deepEqual((await readdir(folder.path)).toSorted(), ['blobs', 'ingest'])
    assert.equal(await modeOf(folder.path), 0o755)
  })

  test('an empty volume is taken, with what its file system puts into it', async () => {
    await using folder = await storeFolder()
    await mkdir(join(folder.path, 'lost+found'))
    await using store = await folder.open()
    await put(store, blob)
    await holdsOnly(store, [blob])
  })

  test('is not followed to by a link in the store', async () => {
    await using folder = await storeFolder()
    await using other = await tempFolder()
    const name = 'ab'.padEnd(64, '0')
    await writeFile(join(other.path, name), 'not what its name says')
    await (await folder.open()).close()
    await symlink(other.path, join(folder.path, 'blobs', 'sha256', 'ab'))
    const lock = new DatabaseSync(join(folder.path, 'index.sqlite.lock'))
    lock.exec('INSERT INTO holder VALUES (1)')
    lock.close()
    const looked = Promise.withResolvers<void>()
    const store = await folder.open({ rebuilding: looked.resolve })
    await looked.promise
    await store.close()
    assert.deepEqual(await readdir(other.path), [name])
    assert.deepEqual(store.evicted, [])
  })
})

test('FR-37: a store on two file systems is refused at the start', async () => {
  await using folder = await storeFolder()
  await (await folder.open()).close()
  const files = faultFiles()
  files.fail('rename', 'EXDEV', { path: join('blobs', 'sha512') })
  await assert.rejects(folder.open({ files }), /blobs\/sha512 and .*ingest are on different file systems/)
  await (await folder.open()).close()
})

test('FR-40: a store of another user is named, with its owner', async (context) => {
  if (process.geteuid?.() !== 0) return context.skip('needs root, to make one')
  await using folder = await storeFolder()
  await (await folder.open()).close()
  await chmod(folder.path, 0o755)
  await chown(join(folder.path, 'index.sqlite'), 12345, 12345)
  const script = `
    const { accessProblem } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/storage/access-problem.ts'))})
    const { paths } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/storage/paths.ts'))})
    process.setgid(65534); process.setuid(65534)
    console.log(await accessProblem(paths(${JSON.stringify(folder.path)})))
    console.log(await accessProblem(paths(${JSON.stringify(join(folder.path, 'absent', 'data'))})))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = Buffer.concat(await child.stdout.toArray()).toString()
  assert.match(
    said,
    /cannot write .*: .* belongs to uid 0, gid 0 \(mode 755\), this process runs as uid 65534/,
  )
  // One that is not there, and would have to be made.
  assert.ok(said.includes(`\ncannot write ${folder.path}: `), said)
})

test("what root makes in the store of another user is that user's, adopted files too", async (context) => {
  if (process.geteuid?.() !== 0) return context.skip('needs root, to make one')
  await using folder = await storeFolder()
  await chmod(folder.path, 0o700)
  await chown(folder.path, 12345, 12346)
  const foreign = join(folder.path, '..', `${basename(folder.path)}.foreign`)
  const adopted = blobOf(3000, 3)
  await writeFile(foreign, adopted.bytes, { mode: 0o600 })
  {
    await using store = await folder.open()
    await put(store, blob)
    await using ingest = await store.blobs.ingest({ digest: blobOf(2000).digest })
    await ingest.write(blobOf(2000).bytes.subarray(0, 100), 0)
    await ingest.keep()
    const { how } = await store.adopt(foreign, adopted.digest, { mediaType: 'a/b', copy: false })
    assert.equal(how, 'copied')
  }
  await rm(foreign)
  const names = await readdir(folder.path, { recursive: true })
  assert.ok(names.length > 8)
  for (const name of ['', ...names]) {
    const { uid, gid } = await stat(join(folder.path, name))
    assert.deepEqual([name, uid, gid], [name, 12345, 12346])
  }
})

suite('FR-44: a store that another process has open', () => {
  test('is waited for, and opened when that one ends', async () => {
    await using folder = await storeFolder()
    await using child = await halted(folder.path, Infinity)
    const waiting = Promise.withResolvers<string>()
    const opening = folder.open({ lockWait: { timeout: 60_000, waiting: waiting.resolve } })
    assert.equal(await waiting.promise, `process ${child.pid}`)
    await child.kill()
    await using store = await opening
    assert.equal((await store.inventory.usage()).objects, 2)
  })

  test('is given up after the time that is configured', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    let told = 0
    await assert.rejects(folder.open({ lockWait: { timeout: 300, waiting: () => (told += 1) } }), /in use by/)
    assert.equal(told, 1)
    await put(store, blob)
  })
})
