import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const MAIN = join(fileURLToPath(new URL('../..', import.meta.url)), 'src', 'main.ts')

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `entrepot` with these arguments, and an environment without its variable. */
export function runEntrepot(...args: readonly string[]): Promise<Outcome> {
  return runEntrepotWith({}, ...args)
}

/** The same with a text on its standard input, and more in its environment. */
export async function runEntrepotWith(
  { input, env: more }: { readonly input?: string; readonly env?: NodeJS.ProcessEnv },
  ...args: readonly string[]
): Promise<Outcome> {
  const { ENTREPOT_CONFIG: _, ...env } = process.env
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...env, ...more },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // A command that reads nothing may be over before.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ])
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
}
