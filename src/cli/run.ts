import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError } from '../config/config-error.ts'
import { loadConfig } from '../config/load-config.ts'
import { version } from '../util/version.ts'
import { commandOf, parseCommandLine } from './command-line.ts'
import { type Invocation, UsageError } from './command.ts'
import type { Commands } from './commands.ts'
import { EXIT, type ExitCode } from './exit-code.ts'
import { fileFailure } from './service/file-failure.ts'
import { listenFailure } from './service/listen-failure.ts'
import { helpOf, usageOf } from './usage.ts'

type Streams = Pick<Invocation, 'env' | 'stdout' | 'stderr'>

/** Runs one command line, and writes why it failed. @returns the exit code */
export async function run(commands: Commands, argv: readonly string[], streams: Streams): Promise<ExitCode> {
  const { env, stdout, stderr } = streams
  try {
    if (argv.length === 0) {
      stderr.write(usageOf(commands, stderr.columns))
      return EXIT.usage
    }
    const line = parseCommandLine(commands, argv)
    if (line === 'version') {
      stdout.write(`entrepot ${version()}\n`)
      return EXIT.done
    }
    if ('help' in line) {
      const { columns } = stdout
      const { help: name } = line
      stdout.write(name === undefined ? usageOf(commands, columns) : helpOf(name, commands[name]!, columns))
      return EXIT.done
    }
    const named = line.options['config']?.toString() ?? (env['ENTREPOT_CONFIG'] || undefined)
    const name = named ?? 'proxy.config.yaml'
    const { usesSecrets = false } = line.command
    const required = named !== undefined
    const config: Invocation['config'] = (how) =>
      loadConfig({ file: name, env, required, usesSecrets, ...how })
    const file = existsSync(name) ? resolve(name) : undefined
    return await line.command.run({ ...line, ...streams, config, file })
  } catch (error) {
    if (error instanceof ConfigError) {
      stderr.write(`${error.message}\n`)
      return EXIT.configuration
    }
    if (error instanceof UsageError) {
      const name = commandOf(commands, argv)
      stderr.write(
        `entrepot: ${error.message} (see entrepot ${name === undefined ? 'help' : `${name} --help`})\n`,
      )
      return EXIT.usage
    }
    stderr.write(`entrepot: ${failureText(error)}\n`)
    return EXIT.failed
  }
}

function failureText(error: unknown): string {
  const { code, message, stack } = error as NodeJS.ErrnoException
  // A refusal says all in its message; anything else is a bug, and its stack says where.
  const otherwise = code === undefined && !isRefusal(error) ? (stack ?? message) : message
  return listenFailure(error) ?? fileFailure(error) ?? otherwise
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.constructor === Error
}
