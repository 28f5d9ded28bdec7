import { join } from 'node:path'
import { ALGORITHMS } from '../oci/digest.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import type { Files } from './files.ts'
import { digestOfFile } from './own-names.ts'
import type { Paths } from './paths.ts'
import { ignoreNotFound } from './storage-operation.ts'

/**
 * Takes the committed files of an older version away from other users (SEC-76). The root is closed before, so
 * they are out of reach already; this holds when somebody opens the root again.
 */
export async function restrictFiles(files: Files, paths: Paths, stopped: () => boolean): Promise<void> {
  const pause = yieldEvery()
  for (const algorithm of ALGORITHMS) {
    const base = join(paths.blobs, algorithm)
    for (const folder of await files.list(base)) {
      if (folder.kind !== 'folder') continue
      for (const entry of await files.list(join(base, folder.name))) {
        if (stopped()) return
        const digest = digestOfFile(algorithm, folder.name, entry, paths)
        if (digest !== undefined) await files.restrict(paths.blob(digest)).catch(ignoreNotFound)
        await pause()
      }
      await files.restrict(join(base, folder.name)).catch(ignoreNotFound)
    }
  }
}
