import { type Logger, pino, stdTimeFunctions, symbols, transport } from 'pino'
import type { Config } from '../../config/load-config.ts'
import type { LineSink } from '../../http/access-log.ts'
import { LineWriter } from './line-writer.ts'
import { descriptorOutput, streamOutput, type TextStream } from './outputs.ts'

export interface BuiltLogger {
  readonly log: Logger
  /** Writes what was not written yet. For a process that ends. */
  flush(): void
}

/**
 * Builds the logger of a process that logs to `stdout`: lines of JSON for machines, lines for people on a
 * terminal. The service outlives whoever reads them.
 */
export function buildLogger(
  { level, format }: Config['log'],
  stdout: NodeJS.WriteStream & { readonly fd: number },
): BuiltLogger {
  // Also makes a pipe one that does not block, which Node does when `stdout` is first used.
  stdout.on('error', () => {})
  const isPretty = format === 'pretty' || (format === 'auto' && stdout.isTTY)
  const output = isPretty ? streamOutput(pretty(hasColors(stdout))) : descriptorOutput(stdout.fd)
  const writer = new LineWriter(output, {
    dropped: (lines) => {
      const time = new Date().toISOString()
      const msg = 'log lines were dropped: whatever reads the log is too slow'
      return `${JSON.stringify({ level: 40, time, lines, msg })}\n`
    },
  })
  const log = pino({ level, base: null, timestamp: stdTimeFunctions.isoTime }, writer)
  return { log, flush: () => writer.flushSync() }
}

/** As the terminal can, and as NO_COLOR and the like wish. */
export function hasColors(stdout: Pick<NodeJS.WriteStream, 'isTTY' | 'hasColors'>): boolean {
  return stdout.isTTY && stdout.hasColors()
}

function pretty(colorize: boolean): TextStream {
  // The types of a transport lack a part of what it has.
  return transport({
    target: 'pino-pretty',
    options: { colorize, singleLine: true, translateTime: 'HH:MM:ss.l' },
  }) as unknown as TextStream
}

/** Where `log` writes. */
export function sinkOf(log: Logger): LineSink {
  const stream = (log as unknown as Record<symbol, unknown>)[symbols.streamSym] as
    | LineWriter
    | { write(line: string): unknown }
  return stream instanceof LineWriter ? stream : lineByLine((line) => void stream.write(line))
}

function lineByLine(writeLine: (line: string) => void): LineSink {
  const write = (lines: string): void => {
    for (const line of lines.split('\n')) if (line !== '') writeLine(`${line}\n`)
  }
  return { write, writeLater: (source) => setImmediate(() => write(source.takeLines())) }
}
