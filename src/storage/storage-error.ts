import { RegistryError } from '../oci/errors.ts'
import type { StoreTelemetry } from '../oci/telemetry.ts'

/** Runs one operation of the store. What the system refuses becomes RegistryError STORAGE, counted, with the errno code and no path. */
export type Attempt = <T>(operation: string, task: () => Promise<T>) => Promise<T>

export function attempts(telemetry: StoreTelemetry): Attempt {
  return async (operation, task) => {
    try {
      return await task()
    } catch (error) {
      const code = codeOf(error)
      if (error instanceof RegistryError || code === undefined) throw error
      telemetry.failed(operation)
      throw new RegistryError('STORAGE', { operation, reason: code }, { cause: error })
    }
  }
}

export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** @returns undefined for what is not there, and throws everything else on. */
export function unlessMissing(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined
  throw error
}
