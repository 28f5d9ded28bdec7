import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
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

export async function buildImage(folder: string): Promise<BuiltImage> {
  const script = join(ROOT, 'packaging', 'image', 'build.sh')
  await promisify(execFile)(script, [folder], { timeout: BUILD_WITHIN })
  return {
    folder,
    digest: (await readFile(join(folder, 'digest'), 'utf8')).trim(),
    archive: (architecture) => join(folder, `entrepot-${architecture}.tar`),
    reference: `oci-archive:${join(folder, 'entrepot.oci.tar')}`,
  }
}
