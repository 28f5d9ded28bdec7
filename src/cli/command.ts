import type { ParseArgsOptionDescriptor } from 'node:util'
import type { Config, LoadConfigOptions } from '../config/load-config.ts'
import type { ExitCode } from './exit-code.ts'

/** What `entrepot NAME` does. */
export interface Command {
  /** What follows the name, `[pattern] [--json]`. */
  readonly synopsis: string
  readonly summary: string
  /** How many positional arguments the command takes. */
  readonly takes: readonly [least: number, most: number]
  /** Beside `COMMON_OPTIONS`. */
  readonly options: CommandOptions
  /** It shows secrets of the configuration to upstreams, so the environment must have them. */
  readonly usesSecrets?: true
  /** @throws UsageError @throws ConfigError @throws Error that says why the command failed */
  run(invocation: Invocation): Promise<ExitCode>
}

export interface CommandOption extends ParseArgsOptionDescriptor {
  /** What it does, in the help of the command. */
  readonly says: string
  /** What stands for its value there: `URL`. */
  readonly value?: string
}

export type CommandOptions = Readonly<Record<string, CommandOption>>

/** The options of every command. */
export const COMMON_OPTIONS = {
  config: {
    type: 'string',
    value: 'FILE',
    says: 'the configuration, instead of ./proxy.config.yaml (or ENTREPOT_CONFIG=FILE)',
  },
  help: { type: 'boolean', short: 'h', says: 'this help' },
  version: { type: 'boolean', says: 'the version of this program' },
} as const satisfies CommandOptions

/** An option that may be given several times has a list. */
export type OptionValue = string | boolean | readonly (string | boolean)[] | undefined

export interface Invocation {
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, OptionValue>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads the configuration: a command that is given `--server` needs none. @throws ConfigError */
  config(options?: Pick<LoadConfigOptions, 'usesSecrets' | 'mustHaveContent' | 'warn'>): Promise<Config>
  /** The path of the configuration file; undefined when there is none. */
  readonly file: string | undefined
  readonly stdout: Output
  readonly stderr: Output
}

/** A stream. */
export interface Output {
  write(text: string): unknown
  /** The width of the terminal; undefined when the stream is none. */
  readonly columns?: number | undefined
}

/** The command line is wrong: the message says how, and the exit code is 64. */
export class UsageError extends Error {}
