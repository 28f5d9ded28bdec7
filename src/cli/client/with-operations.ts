import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config/load-config.ts'
import { openStore } from '../../compose/open-store.ts'
import { isInUse } from '../../storage/lock.ts'
import type { Command, StoreCommand } from '../command.ts'
import { remoteOperations } from './remote-operations.ts'

/**
 * Runs `task` on the store: through the process that has it open, or here when there is none.
 *
 * @throws Error when there is no store, or a process has it that cannot be asked.
 */
export function withOperations(task: StoreCommand): Command['run'] {
  return async function run(invocation) {
    const { config } = invocation
    if (!(await exists(join(config.storage.root, 'FORMAT'))))
      throw new Error(`there is no store in ${config.storage.root}`)
    const silent = { info() {}, warn() {} }
    const store = await openStore(config, { evicted() {}, failed() {} }, silent).catch((error: unknown) => {
      if (!isInUse(error)) throw error
      return { holder: error.holder }
    })
    if ('holder' in store) return task(remoteOperations(adminOf(config, store.holder)), invocation)
    try {
      return await task(store, invocation)
    } finally {
      await store.close()
    }
  }
}

function adminOf({ admin }: Config, holder: string): string {
  if (admin === false)
    throw new Error(
      `${holder} has the store open and cannot be asked: its admin listener is off (admin: false). Stop it, or turn that on`,
    )
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[admin.host] ?? admin.host
  return `http://${host.includes(':') ? `[${host}]` : host}:${admin.port}`
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
