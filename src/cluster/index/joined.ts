/** Lines in a file, which outlive the process. */
interface LineFile {
  readAll(): Promise<readonly string[]>
  replace(lines: readonly string[]): Promise<void>
}

/** The file, in the folder of a store, that names the database whose lists the store has. */
export const JOINED_FILE = 'cluster-joined'

/** Which database a store has joined. What cannot be kept is found out again at the next start. */
export function joinedIn(file: LineFile, failed: (error: unknown) => void) {
  return {
    read: async (): Promise<string | undefined> => (await file.readAll()).at(-1),
    write: (identity: string): Promise<void> => file.replace([identity]).catch(failed),
  }
}
