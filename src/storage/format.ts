import type { Files } from './files.ts'
import type { Paths } from './paths.ts'
import { ignoreNotFound } from './storage-operation.ts'

const FORMAT = 'entrepot 1\n'
const CACHEDIR_TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n# Entrepot can download all of this again.\n'

/**
 * Names in a folder that is still free to use: left by a first start that was killed, or by the file system.
 */
const FREE = new Set([
  'CACHEDIR.TAG',
  'FORMAT.new',
  'index.sqlite.lock',
  'index.sqlite.lock-journal',
  'lost+found',
])

/**
 * Decides whether the root is a store, or may become one. Changes nothing.
 *
 * @returns whether it has a format already
 * @throws Error when the store has another format, or the folder belongs to something else (SEC-94)
 */
export async function checkFormat(files: Files, paths: Paths): Promise<boolean> {
  const format = await files.readText(paths.format).catch(ignoreNotFound)
  // Editors and copies between systems change how a line ends.
  if (format?.trim() === FORMAT.trim()) return true
  // The file is empty when the machine stopped before the text was on the disk.
  if (format === '') return false
  if (format !== undefined) {
    const [found, expected] = [format, FORMAT].map((text) => JSON.stringify(text.trim()))
    throw new Error(`${paths.format} says ${found}, this program reads ${expected}`)
  }
  const foreign = (await files.list(paths.root)).find(({ name }) => !FREE.has(name))
  if (foreign !== undefined) {
    throw new Error(
      `${paths.root} is not a store: it has no FORMAT file but contains ${JSON.stringify(foreign.name)}; ` +
        'set storage.root to an empty folder',
    )
  }
  return false
}

/** Marks a new store with its format, durably and before anything else is created in it. */
export async function writeFormat(files: Files, paths: Paths): Promise<void> {
  await files.writeText(paths.cacheDirTag, CACHEDIR_TAG)
  await writeSynced(files, `${paths.format}.new`, FORMAT)
  await files.rename(`${paths.format}.new`, paths.format)
  await files.syncFolder(paths.root)
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
