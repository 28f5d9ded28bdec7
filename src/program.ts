import { closeSync, openSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Logger } from 'pino'
import { type Entrepot, entrepot } from './app.ts'
import { cacheHere } from './cache-here.ts'
import { commands } from './cli/commands.ts'
import type { ConfigFile } from './cli/commands/serve.ts'
import { EXIT } from './cli/exit-code.ts'
import type { EarlySignals } from './cli/service/early-signals.ts'
import { run } from './cli/run.ts'
import { outputFailure } from './cli/service/file-failure.ts'
import { reloader } from './cli/service/reload.ts'
import { watchNpm } from './cli/service/parent-watch.ts'
import { followStopSignals } from './cli/service/stop-signals.ts'
import { buildLogger } from './compose/log/logger.ts'
import { exposedSecrets } from './config/exposed-secrets.ts'
import type { Config } from './config/load-config.ts'
import { version } from './util/version.ts'

/** Milliseconds after which a command that failed ends, whatever it left open. */
const LAST_WORDS = 500

async function start(
  config: Config,
  { load, file, warnings }: ConfigFile,
  early: EarlySignals | undefined,
): Promise<void> {
  const { log, flush } = buildLogger(config.log, process.stdout)
  process.on('exit', flush)
  let isStopping = false
  const stop = (reason: object) => {
    // A start needs no undoing: the kernel releases the store, as it does after a crash.
    if (running === undefined) process.exit(EXIT.done)
    if (isStopping) return
    isStopping = true
    log.info(reason, 'stopping')
    void shutDown(running, log)
  }
  let running: Entrepot | undefined
  followStopSignals(process, {
    now: () => performance.now(),
    stop: (signal) => stop({ signal }),
    exit: () => process.exit(EXIT.failed),
  })
  const warn = (line: string): void => log.warn(line)
  for (const line of [...warnings, ...(await exposedSecrets(config))]) warn(line)
  const started = entrepot(config, log, process.env, minorCollector())
  const reload = reloader({
    load: () => load(warn),
    apply: async (next) => (await started).reload(next),
    log,
  })
  const hangUp = (): void => {
    if (hasTerminal && !isTerminalOpen()) stop({ signal: 'SIGHUP', reason: 'the terminal was closed' })
    else if (!isStopping) void reload()
  }
  process.on('SIGHUP', hangUp)
  if (early?.handOver()) hangUp()
  running = await started
  log.info({ version: version(), file, ...(await running.describe()) }, 'started')
  // It concerns one request or one task, and the others go on.
  process.on('unhandledRejection', (reason) => log.error({ err: reason }, 'a failure that nobody handled'))
  process.on('exit', running.abandon)
  watchNpm(process.env, process, (parent) => stop({ npm: parent, reason: 'npm has ended' }))
}

const hasTerminal = process.stdout.isTTY || process.stdin.isTTY

/** A process that has lost its terminal has no `/dev/tty`. */
function isTerminalOpen(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}

/** Runs one collection of V8's young generation. */
function minorCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as NodeJS.GCFunction
  return () => void collect({ type: 'minor' })
}

async function shutDown(running: Entrepot, log: Logger): Promise<void> {
  await running.stop()
  log.info('stopped')
  process.exit(EXIT.done)
}

/** Runs the command of this process, or the service, and sets the exit code. */
export async function runProgram(early: EarlySignals | undefined): Promise<void> {
  // Whoever reads what a command prints may leave: `entrepot ls | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The service, and the export of an archive, deal with it themselves.
    if (process.stdout.listenerCount('error') > 1) return
    if (error.code === 'EPIPE') process.exit(EXIT.done)
    process.stderr.write(`entrepot: ${outputFailure(error)}\n`)
    process.exit(EXIT.failed)
  })

  process.on('uncaughtException', (error) => {
    process.stderr.write(`entrepot: ${error.stack ?? error.message}\n`)
    process.exit(EXIT.failed)
  })

  const { argv, env, stdout, stderr } = process
  const table = commands({
    start: (config, file) => start(config, file, early),
    now: Date.now,
    openHere: (config) => cacheHere(config, env),
  })
  process.exitCode = await run(table, argv.slice(2), { env, stdout, stderr })
  if (process.exitCode !== EXIT.done) setTimeout(() => process.exit(), LAST_WORDS).unref()
}
