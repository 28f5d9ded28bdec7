import { type Files, type OpenFile, realFiles } from '../../src/storage/files.ts'

export type FileOperation = keyof Files | keyof OpenFile

/** Stands between the store and one operation on the file system: `call` does it. */
export type Around = <T>(operation: FileOperation, call: () => Promise<T>, path: string) => Promise<T>

/** The real file system, with something around every operation. */
export function filesAround(around: Around): Files {
  const real = realFiles()
  const openFile = (file: OpenFile, path: string): OpenFile => ({
    read: (buffer, position) => around('read', () => file.read(buffer, position), path),
    write: (bytes, position) => around('write', () => file.write(bytes, position), path),
    sync: () => around('sync', () => file.sync(), path),
    size: () => around('size', () => file.size(), path),
    id: () => around('id', () => file.id(), path),
    close: () => around('close', () => file.close(), path),
  })
  return {
    open: (path, flags) => around('open', async () => openFile(await real.open(path, flags), path), path),
    rename: (from, to) => around('rename', () => real.rename(from, to), to),
    remove: (path) => around('remove', () => real.remove(path), path),
    makeFolder: (path) => around('makeFolder', () => real.makeFolder(path), path),
    removeEmptyFolder: (path) => around('removeEmptyFolder', () => real.removeEmptyFolder(path), path),
    syncFolder: (path) => around('syncFolder', () => real.syncFolder(path), path),
    list: (path) => around('list', () => real.list(path), path),
    readText: (path) => around('readText', () => real.readText(path), path),
    writeText: (path, text) => around('writeText', () => real.writeText(path, text), path),
    modifiedAt: (path) => around('modifiedAt', () => real.modifiedAt(path), path),
    space: (path) => around('space', () => real.space(path), path),
    restrict: (path) => around('restrict', () => real.restrict(path), path),
  }
}

export interface FaultOptions {
  /** How many calls go well first. */
  readonly after?: number
  /** How many fail then. */
  readonly times?: number
  /** Only of paths that contain this. */
  readonly path?: string
}

export interface FaultFiles extends Files {
  /** Makes `operation` ('any': whichever comes) fail with this errno code. A file is closed all the same. */
  fail(operation: FileOperation | 'any', code: string, options?: FaultOptions): void
  /** Ends all failing. */
  mend(): void
  /** Operations in the order in which they were asked for. */
  readonly log: FileOperation[]
}

/** The real file system, which fails when told to. */
export function faultFiles(): FaultFiles {
  const log: FileOperation[] = []
  let plans: {
    operation: FileOperation | 'any'
    code: string
    after: number
    times: number
    path: string
  }[] = []

  const isDue = (operation: FileOperation, path: string) => {
    const matching = plans.filter(
      (plan) =>
        (plan.operation === operation || plan.operation === 'any') &&
        path.includes(plan.path) &&
        plan.times > 0,
    )
    for (const plan of matching) {
      if (plan.after > 0) plan.after -= 1
      else {
        plan.times -= 1
        return plan.code
      }
    }
    return undefined
  }
  const files = filesAround(async (operation, call, path) => {
    log.push(operation)
    const code = isDue(operation, path)
    if (code === undefined) return call()
    if (operation === 'close') await call()
    throw Object.assign(new Error(`${code}: made to fail, ${operation} '${path}'`), { code })
  })

  return {
    ...files,
    log,
    fail: (operation, code, { after = 0, times = Infinity, path = '' } = {}) =>
      void plans.push({ operation, code, after, times, path }),
    mend() {
      plans = []
    },
  }
}
