import type { Files } from './files.ts'
import { writeAll } from './blobs/deferred-file.ts'
import { ignoreNotFound } from './storage-operation.ts'

/** Lines in a file, which outlive the process. A line that was cut off by its end is left out. */
export interface LineFile {
  readAll(): Promise<readonly string[]>
  append(line: string): Promise<void>
  replace(lines: readonly string[]): Promise<void>
}

export function lineFile(files: Files, path: string): LineFile {
  return {
    async readAll() {
      const text = await files.readText(path).catch(ignoreNotFound)
      return text?.split('\n').slice(0, -1) ?? []
    },
    async append(line) {
      const file = (await files.open(path, 'r+').catch(ignoreNotFound)) ?? (await files.open(path, 'wx+'))
      try {
        await writeAll(file, Buffer.from(`${line}\n`), await file.size())
      } finally {
        await file.close()
      }
    },
    async replace(lines) {
      await files.writeText(`${path}.new`, lines.map((line) => `${line}\n`).join(''))
      await files.rename(`${path}.new`, path)
    },
  }
}
