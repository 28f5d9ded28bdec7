import { type Files, type OpenFile, realFiles } from '../../src/storage/files.ts'

type Operation = keyof Files | Exclude<keyof OpenFile, 'size'>

export interface FaultFiles extends Files {
  /** The next `times` calls of `operation` after the first `after` fail with this errno code. */
  fail(operation: Operation, code: string, options?: { after?: number; times?: number }): void
  /** Operations in the order in which they were done. */
  readonly log: readonly Operation[]
}

/** The real file system, which fails when told to. */
export function faultFiles(): FaultFiles {
  const real = realFiles()
  const log: Operation[] = []
  const plans: { operation: Operation; code: string; after: number; times: number }[] = []

  const step = (operation: Operation): void => {
    log.push(operation)
    const plan = plans.find((one) => one.operation === operation && one.times > 0)
    if (plan === undefined) return
    if (plan.after > 0) plan.after -= 1
    else {
      plan.times -= 1
      throw Object.assign(new Error(`${plan.code}: made to fail, ${operation}`), { code: plan.code })
    }
  }
  const guarded =
    <A extends unknown[], R>(operation: Operation, call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      step(operation)
      return call(...args)
    }

  return {
    log,
    fail: (operation, code, { after = 0, times = 1 } = {}) =>
      void plans.push({ operation, code, after, times }),
    async open(path, flags) {
      step('open')
      const file = await real.open(path, flags)
      return {
        read: guarded('read', file.read),
        write: guarded('write', file.write),
        sync: guarded('sync', file.sync),
        size: file.size,
        close: file.close,
      }
    },
    rename: guarded('rename', real.rename),
    remove: guarded('remove', real.remove),
    makeFolder: guarded('makeFolder', real.makeFolder),
    syncFolder: guarded('syncFolder', real.syncFolder),
    list: guarded('list', real.list),
    readText: guarded('readText', real.readText),
    writeText: guarded('writeText', real.writeText),
    modifiedAt: guarded('modifiedAt', real.modifiedAt),
    freeBytes: guarded('freeBytes', real.freeBytes),
  }
}
