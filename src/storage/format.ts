import type { Files } from './files.ts'
import type { Paths } from './paths.ts'
import { ignoreNotFound } from './storage-operation.ts'

const FORMAT = 'entrepot 1\n'
const CACHEDIR_TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n# Entrepot can download all of this again.\n'

/** Marks a new store with its format. @throws Error when the store has another format */
export async function checkFormat(files: Files, paths: Paths): Promise<void> {
  const format = await files.readText(paths.format).catch(ignoreNotFound)
  // The file is empty when the machine stopped before the text was on the disk.
  if (format === undefined || format === '') {
    await files.writeText(paths.cacheDirTag, CACHEDIR_TAG)
    await writeSynced(files, `${paths.format}.new`, FORMAT)
    await files.rename(`${paths.format}.new`, paths.format)
  } else if (format !== FORMAT) {
    const [found, expected] = [format, FORMAT].map((text) => JSON.stringify(text.trim()))
    throw new Error(`${paths.format} says ${found}, this program reads ${expected}`)
  }
}

/** Replaces a file so that it is never seen half written, whenever the machine stops. */
async function writeSynced(files: Files, path: string, text: string): Promise<void> {
  await files.remove(path)
  const file = await files.open(path, 'wx+')
  try {
    await file.write(Buffer.from(text), 0)
    await file.sync()
  } finally {
    await file.close()
  }
}
