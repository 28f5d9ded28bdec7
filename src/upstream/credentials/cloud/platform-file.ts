import { readFile } from 'node:fs/promises'
import { CredentialProblem } from '../credential-problem.ts'

/**
 * Reads a file that the platform writes, and replaces before its content expires: it is read for every use.
 *
 * @param what names it in messages, which contain no path: `the file of AWS_WEB_IDENTITY_TOKEN_FILE`
 * @throws CredentialProblem
 */
export async function readPlatformFile(path: string, what: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8')
    if (text.trim() !== '') return text.trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new CredentialProblem(`${what} cannot be read: ${code}`, { cause: error })
  }
  throw new CredentialProblem(`${what} is empty`)
}
