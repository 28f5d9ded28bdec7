import { constants } from 'node:fs'
import { access, readdir, readFile, rename, rm, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { missing, run } from './processes.ts'

/** A system with newer clients than the machine's own, unpacked in a folder. */
export interface NewerRoot {
  /** A command that runs what follows it in that system, with the machine's network and `/tmp`. */
  readonly launcher: readonly string[]
}

/** Where it is kept between runs: it takes minutes and a gigabyte. */
const CACHE = process.env['ENTREPOT_E2E_CACHE'] ?? '/var/cache/entrepot-e2e'
const PACKAGES = 'containerd,oras,cosign,docker.io,ca-certificates'

/**
 * Debian's newest clients, made by mmdebstrap from the mirror that this machine's apt uses.
 *
 * @returns why there is none, on machines that cannot make it
 */
export async function newerRoot(): Promise<NewerRoot | string> {
  const folder = join(CACHE, 'sid')
  if (!(await exists(join(folder, 'usr/bin/oras')))) {
    const problem = await make(folder)
    if (problem !== undefined) return problem
  }
  return { launcher: ['unshare', '-m', '--propagation', 'private', 'sh', '-c', ENTER, folder] }
}

/** A plain chroot breaks containerd, which makes mounts. In a mount namespace of its own it leaves none behind. */
const ENTER = `mount --bind "$0" "$0"
for d in proc sys dev tmp; do mount --rbind /$d "$0/$d"; done
exec chroot "$0" "$@"`

async function make(folder: string): Promise<string | undefined> {
  const without = missing('mmdebstrap', 'unshare')
  if (without !== false) return String(without)
  if (process.getuid?.() !== 0) return 'only root can unpack a system'
  const mirror = await aptMirror()
  if (mirror === undefined) return 'apt has no sources here'
  const unfinished = `${folder}.${process.pid}`
  await mkdir(CACHE, { recursive: true })
  const options = [
    '--variant=apt',
    '--mode=root',
    '--aptopt=Acquire::Check-Valid-Until "false"',
    '--aptopt=APT::Install-Recommends "false"',
    `--include=${PACKAGES}`,
  ]
  const { code, stderr } = await run('mmdebstrap', [...options, 'sid', unfinished, mirror], {}, 1_200_000)
  if (code === 0) {
    await rename(unfinished, folder)
    return undefined
  }
  await rm(unfinished, { recursive: true, force: true })
  return `mmdebstrap: ${stderr.slice(-500)}`
}

/** The first source of apt, in either of its two forms. */
async function aptMirror(): Promise<string | undefined> {
  const parts = await readdir('/etc/apt/sources.list.d').catch(() => [])
  for (const file of ['/etc/apt/sources.list', ...parts.map((part) => `/etc/apt/sources.list.d/${part}`)]) {
    const text = await readFile(file, 'utf8').catch(() => '')
    const found = /^(?:URIs:|deb(?: \[[^\]]*\])?) *(https?:\S+)/m.exec(text)?.[1]
    if (found !== undefined) return found
  }
  return undefined
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
