import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { missing, run } from './processes.ts'
import { absentSystem, type System, systemBehind } from './system.ts'

export interface NewerRoot extends System {
  /** Where it is unpacked. */
  readonly folder: string
}

/** Where it is kept between runs: making it takes minutes and a gigabyte. */
const CACHE = process.env['ENTREPOT_E2E_CACHE'] ?? '/var/cache/entrepot-e2e'
const SUITE = 'sid'
const PACKAGES = [
  ...['containerd', 'docker.io', 'docker-cli', 'podman', 'skopeo', 'crane'],
  ...['oras', 'cosign', 'ca-certificates', 'mount'],
].toSorted()
/** Another list of packages makes another root. */
const NAME = `${SUITE}-${createHash('sha256').update(PACKAGES.join(' ')).digest('hex').slice(0, 12)}`
/** Milliseconds. An unfinished root that is older belongs to a run that has ended. */
const ABANDONED = 3_600_000

/**
 * Debian's newest clients, unpacked in a folder by mmdebstrap from the mirror that this machine's apt uses.
 * It is made once, and found again by later runs; those that an older list of packages made are removed.
 *
 * @throws Error in CI, on a machine that cannot make it
 */
export async function newerRoot(): Promise<NewerRoot> {
  const folder = join(CACHE, NAME)
  if (!(await exists(folder))) {
    const problem = await make(folder)
    if (problem !== undefined) {
      if (process.env['CI']) throw new Error(`no newer clients: ${problem}`)
      return { ...absentSystem(problem), folder }
    }
    await removeOthers()
  }
  const launcher = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', ENTER, folder] as const
  return { ...systemBehind(launcher), folder }
}

/**
 * A plain chroot breaks containerd, which makes mounts. In a mount namespace of its own it leaves none
 * behind. What a program writes below `/run` ends with it.
 */
const ENTER = `mount --bind "$0" "$0"
for d in proc sys dev tmp; do mount --rbind /$d "$0/$d"; done
mount -t tmpfs tmpfs "$0/run"
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
    '--dpkgopt=path-exclude=/usr/share/doc/*',
    '--dpkgopt=path-exclude=/usr/share/man/*',
    '--dpkgopt=path-exclude=/usr/share/locale/*',
    `--include=${PACKAGES.join(',')}`,
  ]
  const { code, stderr } = await run('mmdebstrap', [...options, SUITE, unfinished, mirror], {}, 1_200_000)
  if (code === 0) {
    // Another run may have been faster.
    await rename(unfinished, folder).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
      await rm(unfinished, { recursive: true, force: true })
    })
    return undefined
  }
  await rm(unfinished, { recursive: true, force: true })
  return `mmdebstrap: ${stderr.slice(-500)}`
}

/** Removes the roots of other lists of packages, and what runs that were killed left unfinished. */
async function removeOthers(): Promise<void> {
  for (const name of await readdir(CACHE)) {
    if (name === NAME || !name.startsWith(SUITE)) continue
    const folder = join(CACHE, name)
    const isUnfinished = /\.\d+$/.test(name)
    if (isUnfinished && Date.now() - (await stat(folder)).mtimeMs < ABANDONED) continue
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
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

async function exists(folder: string): Promise<boolean> {
  return stat(folder).then(
    () => true,
    () => false,
  )
}
