import type { PurgesHeard } from './news.ts'

/** Lines in a file, which outlive the process. */
interface LineFile {
  readAll(): Promise<readonly string[]>
  replace(lines: readonly string[]): Promise<void>
}

/** One line: until when. What cannot be kept is at worst heard again. */
export function purgesHeard(file: LineFile, failed: (error: unknown) => void): PurgesHeard {
  return {
    async read() {
      const at = Number((await file.readAll()).at(-1) ?? Number.NaN)
      return Number.isNaN(at) ? undefined : at
    },
    write: (at) => file.replace([String(at)]).catch(failed),
  }
}
