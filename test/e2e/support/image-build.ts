import { execFile } from 'node:child_process'
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { succeed } from './processes.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const BUILD_WITHIN = 240_000

/** What packaging/image/build.sh made. */
export interface BuiltImage {
  readonly folder: string
  /** Of the index of both platforms. */
  readonly digest: string
  /** For `docker load`. */
  readonly archive: (architecture: 'amd64' | 'arm64') => string
  /** The OCI archive of both, as containers/image names it. */
  readonly reference: string
}

/** Builds in `source`, a clone with its packages installed. */
export async function buildImage(folder: string, source = ROOT): Promise<BuiltImage> {
  const git = async (...args: readonly string[]) => (await succeed('git', ['-C', ROOT, ...args])).trim()
  const env = {
    ...process.env,
    REVISION: await git('rev-parse', 'HEAD'),
    SOURCE_DATE_EPOCH: await git('log', '-1', '--format=%ct'),
  }
  const script = join(source, 'packaging', 'image', 'build.sh')
  await promisify(execFile)(script, [folder], { timeout: BUILD_WITHIN, env })
  return {
    folder,
    digest: (await readFile(join(folder, 'digest'), 'utf8')).trim(),
    archive: (architecture) => join(folder, `entrepot-${architecture}.tar`),
    reference: `oci-archive:${join(folder, 'entrepot.oci.tar')}`,
  }
}

/** Containerfile, and what its first stage copies, in a folder, with the packages installed as it does. */
export async function buildContext(folder: string): Promise<string> {
  const ignored = await readFile(join(ROOT, '.containerignore'), 'utf8')
  const copied = [...ignored.matchAll(/^!(.+)$/gm)].map(([, path]) => path!)
  for (const path of ['Containerfile', ...copied]) {
    await cp(join(ROOT, path), join(folder, path), { recursive: true })
  }
  await succeed('sh', ['-c', 'cd "$0" && npm ci --no-audit --no-fund', folder])
  return folder
}
