import { readFile, stat } from 'node:fs/promises'
import { CredentialProblem } from './credential-problem.ts'

export interface WatchedFileOptions<T> {
  readonly path: string
  /** What it is, for those who are told that it cannot be used: `password file`. */
  readonly what: string
  /** undefined when the text is of no use, as while somebody is writing it. */
  readonly parse: (text: string) => T | undefined
  /** Told when what was last read is given since what is there now cannot be used; once until that changes. */
  readonly failed: (problem: Error) => void
}

/**
 * A file that may change: looked at on every use (stat) and read when it is another one, or with `again`. The value is the same
 * object as long as the text is the same. While the file is gone or of no use, what was last read is still given.
 *
 * @throws CredentialProblem when it never was of use
 */
export function watchedFile<T>(options: WatchedFileOptions<T>): (again: boolean) => Promise<T> {
  const { path, what, parse, failed } = options
  let known: { readonly stamp: string; readonly text: string; readonly value: T } | undefined
  let told: string | undefined

  const read = async (again: boolean): Promise<T> => {
    // Before the text, so that a change in between is seen the next time.
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

function problemOf(error: unknown, what: string): CredentialProblem {
  if (error instanceof CredentialProblem) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) throw error
  return new CredentialProblem(`the ${what} cannot be read: ${code}`, { cause: error })
}
