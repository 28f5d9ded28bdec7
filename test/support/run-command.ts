/** Runs a command line in this process. */
import { commands } from '../../src/cli/commands.ts'
import { run } from '../../src/cli/run.ts'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export async function runCommand(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  columns?: number,
): Promise<Ran> {
  const texts = { stdout: '', stderr: '' }
  const output = (name: keyof typeof texts) => ({
    write: (text: string) => void (texts[name] += text),
    ...(columns !== undefined && { columns }),
  })
  const openHere = () => Promise.reject(new Error('no store'))
  const all = commands({ start: async () => {}, now: Date.now, openHere })
  const code = await run(all, argv, { env, stdout: output('stdout'), stderr: output('stderr') })
  return { code, ...texts }
}
