import { parseArgs } from 'node:util'
import { nearest } from '../config/nearest.ts'
import {
  type Command,
  COMMON_OPTIONS as COMMON,
  type CommandOptions,
  type Invocation,
  UsageError,
} from './command.ts'
import type { Commands } from './commands.ts'

export interface CommandLine extends Pick<Invocation, 'args' | 'options'> {
  readonly name: string
  readonly command: Command
}

/** The user asks for the help of a command; of all of them without a name. */
export interface HelpWanted {
  readonly help: string | undefined
}

/**
 * Finds the command, and parses the other arguments with its options.
 *
 * @throws UsageError
 */
export function parseCommandLine(
  commands: Commands,
  argv: readonly string[],
): CommandLine | HelpWanted | 'version' {
  const found = findCommand(argv)
  if (found === undefined) {
    const { help, version } = parseArgs({ args: [...argv], options: COMMON, strict: false }).values
    if (help === true) return { help: undefined }
    if (version === true) return 'version'
    throw new UsageError('no command given')
  }
  const { name, index } = found
  const others = argv.toSpliced(index, 1)
  if (name === 'help') {
    const of = findCommand(others)?.name
    if (of !== undefined) commandNamed(commands, of)
    return { help: of }
  }
  const command = commandNamed(commands, name)
  const { values, positionals: args } = read(name, others, command.options)
  const { help, version, ...options } = values as Invocation['options']
  if (help === true) return { help: name }
  if (version === true) return 'version'
  const [least, most] = command.takes
  if (args.length > most) throw new UsageError(`unexpected argument ${args[most]} for ${name}`)
  if (args.length < least) throw new UsageError(`${name} needs ${argumentsIn(command.synopsis)}`)
  refuseEmpty(name, command, args, values)
  return { name, command, args, options }
}

/** What a script has from a variable without a value. No argument means anything then. */
function refuseEmpty(
  name: string,
  { synopsis, options }: Command,
  args: readonly string[],
  values: Invocation['options'],
): void {
  const index = args.indexOf('')
  if (index >= 0) {
    const which = args.length === 1 ? 'the argument' : `argument ${index + 1}`
    const [takes] = /^.*?(?= \[?-|$)/.exec(synopsis)!
    throw new UsageError(`${which} of ${name} is empty, it takes ${takes}`)
  }
  const known: CommandOptions = { ...options, ...COMMON }
  for (const [option, value] of Object.entries(values))
    if ([value].flat().includes(''))
      throw new UsageError(`--${option} is empty, it needs ${known[option]?.value ?? 'a value'}`)
}

function commandNamed(commands: Commands, name: string): Command {
  if (name === '') throw new UsageError('the name of the command is empty')
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw new UsageError(`unknown command ${name}${suggestion(name, commands)}`)
  return command
}

/** What a command cannot do without: `<pattern>… <destination>`. */
function argumentsIn(synopsis: string): string {
  return synopsis.includes(' | ') ? synopsis : /^[^[]*?(?= \[| -|$)/.exec(synopsis)![0]
}

/** The command that a line is for, as far as one can tell; undefined when there is none of that name. */
export function commandOf(commands: Commands, argv: readonly string[]): string | undefined {
  const name = findCommand(argv)?.name
  return name !== undefined && Object.hasOwn(commands, name) ? name : undefined
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
