import { readdir, readlink } from 'node:fs/promises'
import { eventually } from './fixtures.ts'

/** Files and folders below `folder` that this process has open, removed ones too (proc(5), fd). */
export async function openBelow(folder: string): Promise<readonly string[]> {
  const targets = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  )
  return targets.filter((target) => target === folder || target.startsWith(`${folder}/`))
}

/** Fails, naming them, when files below `folder` stay open. */
export async function nothingOpenBelow(folder: string): Promise<void> {
  await eventually(async () => (await openBelow(folder)).length === 0).catch(async (cause: unknown) => {
    throw new Error(`still open: ${(await openBelow(folder)).join(', ')}`, { cause })
  })
}
