import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../e2e/support/processes.ts'
import type { Random } from '../support/seeded-random.ts'

export interface MachineOptions {
  readonly pid: number
  /** Where the proxy has a disk of its own; undefined = the machine's. */
  readonly disk: string | undefined
  readonly random: Random
  /** Changes the proxy's configuration while it runs. */
  readonly reload: () => Promise<void>
}

/** What happens to the machine that the proxy runs on, and what its operator does. */
export interface Machine {
  /** How often each kind came to pass. */
  readonly counts: ReadonlyMap<string, number>
  /** The disk as this process sees it; undefined where the proxy has none of its own. */
  readonly disk: string | undefined
  /** One kind of trouble; the disk is full for a few seconds. */
  make(): Promise<void>
  /** Everything is right again. */
  end(): Promise<void>
}

const MiB = 1024 * 1024

/** Whether this process may give the proxy a disk of its own. */
export async function mayMount(): Promise<boolean> {
  const command = ['--mount', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt']
  return (await run('unshare', command)).code === 0
}

export function machine({ pid, disk, random, reload }: MachineOptions): Machine {
  const counts = new Map<string, number>()
  const count = (kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1)
  /** The mount is in the proxy's namespace only. */
  const seen = disk && `/proc/${pid}/root${disk}`
  let isAhead = false

  return {
    counts,
    disk: seen,
    async make() {
      const chance = random.next()
      if (chance < 0.25) {
        await reload()
        count('configuration changed')
      } else if (seen !== undefined && chance < 0.65) {
        await fillUp(join(seen, 'filler'))
        count('disk full')
        await sleep(2_000 + 4_000 * random.next())
        await rm(join(seen, 'filler'), { force: true })
      } else {
        setClock()
        count(isAhead ? 'clock a day ahead' : 'clock back')
      }
    },
    async end() {
      if (isAhead) setClock()
      if (seen !== undefined) await rm(join(seen, 'filler'), { force: true })
    },
  }

  function setClock(): void {
    isAhead = !isAhead
    process.kill(pid, 'SIGUSR2')
  }
}

async function fillUp(path: string): Promise<void> {
  await using file = await open(path, 'w')
  for (let size = MiB; size >= 1;) {
    try {
      await file.appendFile(Buffer.alloc(size))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      size = Math.floor(size / 2)
    }
  }
}
