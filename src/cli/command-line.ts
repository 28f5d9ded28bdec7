import { parseArgs } from 'node:util'
import { nearest } from '../config/nearest.ts'
import { type Command, type CommandOptions, type Invocation, UsageError } from './command.ts'
import type { Commands } from './commands.ts'

export interface CommandLine extends Pick<Invocation, 'args' | 'options'> {
  readonly command: Command
}

const COMMON = {
  config: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const

/**
 * Finds the command, and parses the other arguments with its options.
 *
 * @returns 'help' or 'version' when the user asks for it
 * @throws UsageError
 */
export function parseCommandLine(
  commands: Commands,
  argv: readonly string[],
): CommandLine | 'help' | 'version' {
  const found = findCommand(argv)
  if (found === undefined) {
    const { help, version } = parseArgs({ args: [...argv], options: COMMON, strict: false }).values
    if (help === true) return 'help'
    if (version === true) return 'version'
    throw new UsageError('no command given')
  }
  const { name, index } = found
  if (name === 'help') return 'help'
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw new UsageError(`unknown command ${name}${suggestion(name, commands)}`)
  const { values, positionals: args } = read(name, argv.toSpliced(index, 1), command.options)
  const { help, version, ...options } = values as Invocation['options']
  if (help === true) return 'help'
  if (version === true) return 'version'
  const [least, most] = command.takes
  if (args.length > most) throw new UsageError(`unexpected argument ${args[most]} for ${name}`)
  if (args.length < least) throw new UsageError(`${name} needs ${command.synopsis.split(' ')[0]}`)
  return { command, args, options }
}

/** The first argument that is neither an option that every command takes nor its value. */
function findCommand(argv: readonly string[]): { readonly name: string; readonly index: number } | undefined {
  const { tokens } = parseArgs({ args: [...argv], options: COMMON, strict: false, tokens: true })
  const token = tokens.find(({ kind }) => kind === 'positional')
  return token?.kind === 'positional' ? { name: token.value, index: token.index } : undefined
}

function read(name: string, args: string[], options: CommandOptions) {
  const known = { ...options, ...COMMON }
  try {
    return parseArgs({ args, options: known, allowPositionals: true })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const [, option = ''] = /^[^']*'(-+[^\s',]+)/.exec(message) ?? []
    if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
      throw new UsageError(`unknown option ${option} for ${name}${suggestion(option, known, '--')}`)
    }
    if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') throw new UsageError(message.split('\n')[0])
    throw error
  }
}

function suggestion(word: string, known: object, prefix = ''): string {
  const meant = nearest(word.replace(/^-+/, ''), Object.keys(known))
  return meant === undefined ? '' : `, did you mean ${prefix}${meant}?`
}
