import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { NewerRoot } from './newer-root.ts'
import { start } from './processes.ts'
import { type System, systemBehind } from './system.ts'

export interface NewerMachine extends System, AsyncDisposable {
  /** Runs `entrepot` there, which has to succeed. @returns what it printed */
  entrepot(...args: readonly string[]): Promise<string>
}

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url))

/**
 * A machine of newer clients whose files may be changed: one writes its `/etc`, another reads it. The changes
 * are in memory, mounted at `scratch`, and go with it.
 */
export async function newerMachine({ folder }: NewerRoot, scratch: string): Promise<NewerMachine> {
  await mkdir(scratch)
  const command = ['-m', '--propagation', 'private', 'sh', '-c', HOLD, folder, scratch, REPOSITORY]
  const holder = start('unshare', command)
  await holder.line((line) => (line === 'ready' ? true : undefined))
  const system = systemBehind(['nsenter', `--target=${holder.pid}`, '--mount', '--root', '--wd=/'])
  return {
    ...system,
    entrepot: (...args) => system.succeed('/mnt/bin/entrepot', args),
    [Symbol.asyncDispose]: () => holder[Symbol.asyncDispose](),
  }
}

const HOLD = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/all"
mount -t overlay overlay -o "lowerdir=$0,upperdir=$1/upper,workdir=$1/work" "$1/all"
for d in proc sys dev tmp; do mount --rbind /$d "$1/all/$d"; done
mount -t tmpfs tmpfs "$1/all/run"
mount --bind "$2" "$1/all/mnt"
exec chroot "$1/all" sh -c 'echo ready; exec sleep infinity'`
