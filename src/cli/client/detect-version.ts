import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type ClientVersion, parseClientVersion } from '../../clients/client-version.ts'

/** Milliseconds. */
const TIMEOUT = 5_000

/** What the program prints as its version. @returns undefined when it is not here, or does not tell */
export async function detectVersion([program, ...args]: readonly [string, ...string[]]): Promise<
  ClientVersion | undefined
> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: TIMEOUT })
    return parseClientVersion(stdout)
  } catch {
    // Not installed here: its configuration may be meant for another machine.
    return undefined
  }
}
