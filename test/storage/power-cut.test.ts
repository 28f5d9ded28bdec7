import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { type Blob, blobOf, eventually } from '../support/fixtures.ts'
import { type CutOptions, powerCutFiles, type PowerCutFiles } from '../support/power-cut-files.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { contentOf, openStore, put } from './setup.ts'
import { tempFolder } from '../support/temp-folder.ts'

const [first, second, third] = [blobOf(9_000, 1), blobOf(10_000, 2), blobOf(70_000, 3)]
/** Longer than what is held in memory, and two that are not. */
const together = [blobOf(300_000, 4), blobOf(12_000, 5), blobOf(5_000, 6)]
const all = [first, second, third, ...together]

type IndexFiles = ReadonlyMap<string, Buffer>

interface Moment {
  readonly what: string
  readonly after: (options: CutOptions) => PowerCutFiles
  /**
   * As it was then, and some transactions earlier: SQLite does not sync each, so that it may be older than
   * the files.
   */
  readonly index: { readonly newest: IndexFiles; readonly older: IndexFiles }
  /** Committed, and nobody has begun to delete them. */
  readonly promised: readonly Blob[]
}

const yes = () => true
const no = () => false
const ways: Readonly<Record<string, CutOptions>> = {
  nothing: { name: no, length: no, page: no },
  everything: { name: yes, length: yes, page: yes },
  'names and no bytes': { name: yes, length: no, page: no },
  'names, lengths and what is short': { name: yes, length: yes, page: ({ size }) => size < 4096 },
  'bytes and no names': { name: no, length: yes, page: yes },
  'every other change': { name: coin(1), length: coin(2), page: coin(3) },
}

function coin(seed: number): () => boolean {
  const random = seededRandom(seed)
  return () => random.next() < 0.5
}

suite('F68 the power goes', async () => {
  const folder = await tempFolder()
  after(() => folder[Symbol.asyncDispose]())
  const root = join(folder.path, 'store')
  const moments = await lived(root)

  for (const [way, left] of Object.entries(ways)) {
    for (const age of ['newest', 'older'] as const) {
      test(`of what was not synced ${way} is left, and the ${age} index: every object is whole or absent, and can be had again`, async () => {
        for (const moment of moments) {
          await restarted(root, moment, age, left).catch((cause: unknown) => {
            throw new Error(`cut before ${moment.what}`, { cause })
          })
        }
      })
    }
  }
})

/** The life of a store, with what is left by a power cut before every step of it. */
async function lived(root: string): Promise<readonly Moment[]> {
  await mkdir(root)
  const files = powerCutFiles(root)
  const moments: Moment[] = []
  const promised = new Set<Blob>()
  let older: IndexFiles = new Map()
  let doing = 'the start'
  const note = (operation: string) => {
    const index = { newest: indexIn(root), older }
    moments.push({
      what: `${operation} of ${doing}`,
      after: files.snapshot(),
      index,
      promised: [...promised],
    })
  }
  files.onChange = note
  await using store = await openStore(root, { files })
  const commit = async (blob: Blob) => {
    older = indexIn(root)
    doing = `storing ${all.indexOf(blob)}`
    await put(store, blob)
    promised.add(blob)
  }
  await commit(first)
  doing = 'keeping half of 1'
  {
    await using ingest = await store.blobs.ingest({ digest: second.digest })
    await ingest.write(second.bytes.subarray(0, 6_000), 0)
    await ingest.keep()
  }
  await commit(second)
  await commit(third)
  older = indexIn(root)
  doing = 'storing three at once'
  await Promise.all(together.map((blob) => put(store, blob).then(() => promised.add(blob))))
  doing = 'deleting 0 and 1'
  for (const blob of [first, second]) promised.delete(blob)
  await store.blobs.delete(first.digest, second.digest)
  await commit(first)
  note('the end')
  return moments
}

async function restarted(
  root: string,
  { after, index, promised }: Moment,
  age: keyof Moment['index'],
  left: CutOptions,
): Promise<void> {
  await rm(root, { recursive: true })
  await mkdir(root)
  for (const [name, bytes] of index[age]) await writeFile(join(root, name), bytes)
  const files = after(left)
  await using store = await openStore(root, { files })
  for (const blob of all) {
    const content = await contentOf(store, blob)
    assert.ok(content === undefined || content.equals(blob.bytes), 'neither whole nor absent')
  }
  for (const blob of promised) await eventually(async () => (await contentOf(store, blob)) !== undefined)
  for (const blob of all) await put(store, blob)
  for (const blob of all) assert.deepEqual(await contentOf(store, blob), blob.bytes)
  assert.deepEqual(await files.list(join(root, 'ingest')), [])
}

function indexIn(root: string): IndexFiles {
  const names = readdirSync(root).filter((name) => name.startsWith('index.sqlite'))
  return new Map(names.map((name) => [name, readFileSync(join(root, name))]))
}
