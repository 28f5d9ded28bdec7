#!/usr/bin/env -S node --max-semi-space-size=4 --heap-growing-percent=15 --no-concurrent-array-buffer-sweeping
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Logger, pino, stdTimeFunctions, transport } from 'pino'
import { type Invocation, UsageMistake } from './cli/command.ts'
import { type Commands, mistakeIn, storeCommands, usageOf } from './cli/commands.ts'
import { type Config, loadConfig } from './config/load-config.ts'
import { ConfigError } from './config/config-error.ts'
import { describeConfig } from './config/describe.ts'
import { type Entrepot, entrepot } from './app.ts'

const COMMANDS: Commands = {
  serve: {
    synopsis: '[--check]',
    summary: 'the registry and its admin listener; --check validates the configuration and prints it instead',
    takes: [0, 0],
    options: { check: { type: 'boolean' } },
    async run({ config, options }) {
      if (options['check']) return print(describeConfig(config))
      await serve(config, logger(config))
      return EXIT.ok
    },
  },
  ...storeCommands(Date.now),
}

/** sysexits.h, as service managers know them. */
const EXIT = { ok: 0, failure: 1, usage: 64, config: 78 }

/** Milliseconds that running answers get to end after the first SIGTERM. */
const GRACE = 30_000

async function main(argv: readonly string[]): Promise<number> {
  const { positionals, values } = parse(argv)
  const [name, ...args] = positionals
  const { help, ...options } = values
  if (help || name === 'help') return print(usageOf(COMMANDS))
  if (name === undefined) return complain(usageOf(COMMANDS), EXIT.usage)
  const mistake = mistakeIn(COMMANDS, name, args, options)
  if (mistake !== undefined) throw new UsageMistake(`${mistake} (\`entrepot help\` lists what there is)`)
  const named = options['config']?.toString() ?? process.env['ENTREPOT_CONFIG']
  const config = await loadConfig({
    file: named ?? 'proxy.config.yaml',
    env: process.env,
    required: named !== undefined,
  })
  const { stdout, stderr } = process
  return COMMANDS[name]!.run({ config, args, options, stdout, stderr })
}

async function serve(config: Config, log: Logger): Promise<void> {
  const running = await entrepot(config, log, process.env, minorCollector())
  let stopping = false
  const stop = (signal: string) => {
    if (stopping) process.exit(EXIT.failure)
    stopping = true
    log.info({ signal, grace: GRACE }, 'stopping')
    void shutDown(running, log)
  }
  process.on('SIGTERM', stop).on('SIGINT', stop).on('exit', running.abandon)
}

/** Runs one collection of V8's young generation. V8 flags are set in this file only. */
function minorCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as NodeJS.GCFunction
  return () => void collect({ type: 'minor' })
}

async function shutDown(running: Entrepot, log: Logger): Promise<void> {
  await running.stop(GRACE)
  log.info('stopped')
  process.exit(EXIT.ok)
}

/** Lines of JSON, for machines; on a terminal, for people. A reader that goes away does not take the service with it. */
function logger({ log: { level } }: Config): Logger {
  process.stdout.on('error', () => {})
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime }
  return process.stdout.isTTY
    ? pino(
        options,
        transport({
          target: 'pino-pretty',
          options: { colorize: true, singleLine: true, translateTime: 'HH:MM:ss.l' },
        }),
      )
    : pino(options, process.stdout)
}

/** All options that any command has are known here; `mistakeIn` tells which belong to which. */
function parse(argv: readonly string[]) {
  const options: ParseArgsOptionsConfig = {
    ...Object.assign({}, ...Object.values(COMMANDS).map((command) => command.options)),
    config: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  }
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
    return { positionals, values: values as Invocation['options'] }
  } catch (error) {
    throw new UsageMistake((error as Error).message, { cause: error })
  }
}

function print(text: string): number {
  process.stdout.write(text)
  return EXIT.ok
}

function complain(text: string, code: number): number {
  process.stderr.write(`${text.trimEnd()}\n`)
  return code
}

process.on('uncaughtException', (error) => {
  process.stderr.write(`entrepot: ${error.stack ?? error.message}\n`)
  process.exit(EXIT.failure)
})

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (error instanceof ConfigError) process.exitCode = complain(error.message, EXIT.config)
  else if (error instanceof UsageMistake)
    process.exitCode = complain(`entrepot: ${error.message}`, EXIT.usage)
  else process.exitCode = complain(`entrepot: ${failureText(error)}`, EXIT.failure)
}

function failureText(error: unknown): string {
  const { code, message, address, port } = error as NodeJS.ErrnoException & {
    address?: string
    port?: number
  }
  if (code === 'EADDRINUSE') return `${address}:${port} is in use by another process`
  // What the parts refuse to start with says all in its message; anything else is a mistake of ours.
  return code === undefined && !isRefusal(error) ? ((error as Error).stack ?? message) : message
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.constructor === Error
}
