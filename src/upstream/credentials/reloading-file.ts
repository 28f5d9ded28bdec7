import { readFile, stat } from 'node:fs/promises'
import { CredentialProblem } from './credential-problem.ts'

export interface ReloadingFileOptions<T> {
  readonly path: string
  /** What the file is, in messages: `password file`. */
  readonly what: string
  /** The text as it was read at the start. */
  readonly initial?: string
  /** Returns undefined for a text that cannot be used, such as a half-written file. */
  readonly parse: (text: string) => T | undefined
  /** Called once when the file cannot be used any more and its last value stays in use. */
  readonly failed: (problem: Error) => void
}

/**
 * Reads a file that may change. Every call checks the file (stat), and reads it when it has changed or
 * `again` is true. The value is the same object as long as the text is the same. While the file is gone or
 * unusable the last value stays in use.
 *
 * @throws CredentialProblem when the file was never usable
 */
export function reloadingFile<T>(options: ReloadingFileOptions<T>): (again: boolean) => Promise<T> {
  const { path, what, initial, parse, failed } = options
  let known = initial === undefined ? undefined : firstOf(initial, parse)
  let told: string | undefined

  const read = async (again: boolean): Promise<T> => {
    // Before the text, so that the next call sees a change in between.
    const { mtimeNs, ctimeNs, ino, size } = await stat(path, { bigint: true })
    const stamp = [mtimeNs, ctimeNs, ino, size].join()
    if (known?.stamp === stamp && !again) return known.value
    const text = await readFile(path, 'utf8')
    const value = text === known?.text ? known.value : parse(text)
    if (value === undefined) throw new CredentialProblem(`the ${what} is empty or malformed`)
    known = { stamp, text, value }
    told = undefined
    return value
  }

  return async (again) => {
    try {
      return await read(again)
    } catch (error) {
      const problem = problemOf(error, what)
      if (known === undefined) throw problem
      if (told !== problem.message) failed(problem)
      told = problem.message
      return known.value
    }
  }
}

interface Known<T> {
  readonly stamp: string
  readonly text: string
  readonly value: T
}

function firstOf<T>(text: string, parse: (text: string) => T | undefined): Known<T> | undefined {
  const value = parse(text)
  return value === undefined ? undefined : { stamp: '', text, value }
}

function problemOf(error: unknown, what: string): CredentialProblem {
  if (error instanceof CredentialProblem) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) throw error
  return new CredentialProblem(`the ${what} cannot be read: ${code}`, { cause: error })
}
