import { readFileSync, statSync } from 'node:fs'
import { codeOf } from './storage-operation.ts'

/**
 * Who holds POSIX locks on a file, from /proc/locks (proc(5)): `process 4711 (python3)`. Linux only; a
 * process in another container has no pid here.
 */
export function lockHolders(path: string): readonly string[] {
  const locks = readable('/proc/locks')
  if (locks === undefined) return []
  const { ino } = statSync(path)
  const pids = locks.split('\n').flatMap((line) => {
    const [, type, , , pid, file] = line.trim().split(/\s+/)
    return type === 'POSIX' && file?.split(':')[2] === String(ino) ? [Number(pid)] : []
  })
  return [...new Set(pids)].filter((pid) => pid !== process.pid).map(nameOf)
}

function nameOf(pid: number): string {
  if (pid <= 0) return 'a process in another container'
  const command = readable(`/proc/${pid}/comm`)?.trim()
  return command === undefined ? `process ${pid}` : `process ${pid} (${command})`
}

function readable(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}
