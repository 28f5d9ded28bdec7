import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../../src/oci/digest.ts'

/** Committed files below `root` whose bytes are not what their name says (I2), each as a sentence. */
export async function wrongFilesIn(root: string): Promise<readonly string[]> {
  const wrong: string[] = []
  const entries = await readdir(join(root, 'blobs'), { recursive: true, withFileTypes: true })
  for (const { parentPath, name } of entries.filter((entry) => entry.isFile())) {
    const digest = digestOf(await readFile(join(parentPath, name)))
    if (digest !== `sha256:${name}`) wrong.push(`stored as ${name}: ${digest}`)
  }
  return wrong
}
