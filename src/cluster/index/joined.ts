/** Lines in a file, which outlive the process. */
interface LineFile {
  readAll(): Promise<readonly string[]>
  replace(lines: readonly string[]): Promise<void>
}

/** The file, in the folder of a store, that names the database whose lists the store has. */
export const JOINED_FILE = 'cluster-joined'

/** Which database a store has joined. What cannot be kept is found out again at the next start. */
export interface Joined {
  read(): Promise<string | undefined>
  /** It has the lists of this database, and has not told it yet what the store knows. */
  write(identity: string): Promise<void>
  /** The database that is to be told what the store knows; undefined when it was told. */
  untold(): Promise<string | undefined>
  /** It was told. */
  told(identity: string): Promise<void>
}

/** Before the name, so that an earlier version reads the name too. */
const UNTOLD = 'untold'

export function joinedIn(file: LineFile, failed: (error: unknown) => void): Joined {
  const read = async (): Promise<string | undefined> => (await file.readAll()).at(-1)
  return {
    read,
    write: (identity) => file.replace([UNTOLD, identity]).catch(failed),
    untold: async () => ((await file.readAll())[0] === UNTOLD ? read() : undefined),
    async told(identity) {
      if ((await read()) === identity) await file.replace([identity]).catch(failed)
    },
  }
}
