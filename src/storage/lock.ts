import { open, readFile, rm } from 'node:fs/promises'
import { codeOf, unlessMissing } from './storage-error.ts'

export interface Lock {
  release(): Promise<void>
}

/**
 * Keeps a second process out of the store. The file names its holder by pid and by when that process started, so that a lock which
 * outlived its holder (kill -9, a crash) is recognised, also when the pid belongs to somebody else by now.
 *
 * @throws Error naming the pid when another living process holds it.
 */
export async function acquireLock(path: string): Promise<Lock> {
  const own = `${process.pid} ${await startOf(process.pid)}\n`
  for (;;) {
    try {
      await using file = await open(path, 'wx')
      await file.writeFile(own)
      return { release: () => rm(path, { force: true }) }
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
    const holder = await readFile(path, 'utf8').catch(unlessMissing)
    const [pid = '', started = ''] = holder?.trim().split(' ') ?? []
    if (holder !== undefined && holder !== own && (await isAlive(Number(pid), started))) {
      throw new Error(`the store is in use by process ${pid} (${path})`)
    }
    await rm(path, { force: true })
  }
}

async function isAlive(pid: number, started: string): Promise<boolean> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
  }
  return (await startOf(pid)) === started
}

/** Clock ticks since boot when a process started (proc(5), field 22 of stat); 'unknown' where there is no /proc. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown'
}
