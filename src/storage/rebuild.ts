import { setImmediate as turn } from 'node:timers/promises'
import { type Algorithm, isDigest } from '../oci/digest.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { Files } from './files.ts'
import type { Paths } from './paths.ts'
import type { ContentIndex } from './sqlite-index.ts'

const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512']

/**
 * Fills an empty index from the files: only verified content is ever given a name in `blobs/`. Which repository may read what is
 * lost, and is proved anew; what were manifests is recognised when they are pulled again. `stopped` ends it early.
 */
export async function rebuildContent(
  files: Files,
  paths: Paths,
  content: ContentIndex,
  stopped: () => boolean,
): Promise<void> {
  for (const algorithm of ALGORITHMS) {
    for (const folder of await listing(files, `${paths.blobs}/${algorithm}`)) {
      for (const name of await listing(files, `${paths.blobs}/${algorithm}/${folder}`)) {
        if (stopped()) return
        const digest = `${algorithm}:${name}`
        const path = `${paths.blobs}/${algorithm}/${folder}/${name}`
        if (!isDigest(digest)) await files.remove(path)
        else if (content.find(digest) === undefined) {
          const file = await files.open(path, 'r')
          const size = await file.size()
          await file.close()
          await content.add(digest, { size, mediaType: OCTET_STREAM })
        }
        await turn()
      }
    }
  }
}

async function listing(files: Files, folder: string): Promise<readonly string[]> {
  return files.list(folder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return []
    throw error
  })
}
