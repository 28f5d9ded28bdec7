/**
 * A process that stores two blobs and stops dead at one step of the second, to be killed there. Arguments:
 * the store's folder, the number of the step, whether it stops `before` or `after` it, and the size of the
 * second. Says on stdout which steps it takes, then `stopped` or `done`.
 */
import { filesystemStore } from '../../src/storage/filesystem-store.ts'
import { filesAround } from '../support/fault-files.ts'
import { type Blob, blobOf } from '../support/fixtures.ts'

const MiB = 1024 * 1024
const [root, number, when, size] = process.argv.slice(2) as [string, string, 'before' | 'after', string]
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const never = (): Promise<never> => new Promise(() => setInterval(() => {}, 60_000))
const stop = (): Promise<never> => {
  say('stopped')
  return never()
}

let next: number | undefined
const files = filesAround(async (operation, call) => {
  if (next === undefined) return call()
  const isHere = next === Number(number)
  next += 1
  say(operation)
  if (isHere && when === 'before') return stop()
  const result = await call()
  return isHere && when === 'after' ? stop() : result
})

const store = await filesystemStore({ root, files, telemetry: { failed() {}, evicted() {} } })
await add(blobOf(1000, 1))
next = 0
await add(blobOf(Number(size), 2))
say('done')
await never()

async function add({ bytes, digest }: Blob): Promise<void> {
  await using ingest = await store.blobs.ingest({ digest })
  for (let at = 0; at < bytes.length; at += 4 * MiB) await ingest.write(bytes.subarray(at, at + 4 * MiB), at)
  await ingest.verify(bytes.length)
  await ingest.commit()
}
