#!/usr/bin/env -S node --max-semi-space-size=4 --no-concurrent-array-buffer-sweeping
import { parseArgs } from 'node:util'
import { type Logger, pino, stdTimeFunctions, transport } from 'pino'
import { type Config, loadConfig } from './config.ts'
import { ConfigError } from './config/config-error.ts'
import { describeConfig } from './config/describe.ts'
import { type Entrepot, entrepot } from './entrepot.ts'

const USAGE = `usage: entrepot serve [--config FILE] [--check]

  serve            the registry and, beside it, health and metrics
  --config FILE    instead of ./proxy.config.yaml; ENTREPOT_CONFIG=FILE is the same
  --check          validate the configuration, print what is in effect (secrets masked), and exit
`

/** sysexits.h, as service managers know them. */
const EXIT = { ok: 0, failure: 1, usage: 64, config: 78 }

/** Milliseconds that running answers get to end after the first SIGTERM. */
const GRACE = 30_000

async function main(args: readonly string[]): Promise<number> {
  const { command, options, mistake } = parse(args)
  if (options.help) return print(USAGE)
  if (mistake !== undefined || command !== 'serve')
    return complain(`${mistake ?? 'what should be done?'}\n\n${USAGE}`, EXIT.usage)
  const named = options.config ?? process.env['ENTREPOT_CONFIG']
  const config = await loadConfig({
    file: named ?? 'proxy.config.yaml',
    env: process.env,
    required: named !== undefined,
  })
  if (options.check) return print(describeConfig(config))
  await serve(config, logger(config))
  return EXIT.ok
}

async function serve(config: Config, log: Logger): Promise<void> {
  const running = await entrepot(config, log, process.env)
  let stopping = false
  const stop = (signal: string) => {
    if (stopping) process.exit(EXIT.failure)
    stopping = true
    log.info({ signal, grace: GRACE }, 'stopping')
    void shutDown(running, log)
  }
  process.on('SIGTERM', stop).on('SIGINT', stop)
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

function parse(args: readonly string[]) {
  const options = {
    config: { type: 'string' },
    check: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    const [command, ...more] = positionals
    const unknown = more[0] ?? (command === 'serve' ? undefined : command)
    return { command, options: values, mistake: unknown && `entrepot: unknown command \`${unknown}\`` }
  } catch (error) {
    return { command: undefined, options: {}, mistake: `entrepot: ${(error as Error).message}` }
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
  process.exitCode =
    error instanceof ConfigError
      ? complain(error.message, EXIT.config)
      : complain(`entrepot: ${startFailure(error)}`, EXIT.failure)
}

function startFailure(error: unknown): string {
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
