import { SERVER_OPTIONS } from './client/server-options.ts'
import { type Command, COMMON_OPTIONS, type CommandOption, type CommandOptions } from './command.ts'
import type { Commands } from './commands.ts'

/** The most on one line. */
const WIDTH = 100
const PATTERNS = `Patterns name images as Docker does; * stops at a slash, ** does not:
  node, node:20*, 'ghcr.io/org/**', '*@sha256:…'
`

/** Every command with what it does. `columns`: the width of the terminal, if it is one. */
export function usageOf(commands: Commands, columns?: number): string {
  const summaries = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)
  return `usage: entrepot COMMAND [argument…] [option…]

${listed(summaries, columns)}
${listed(optionRows({ ...SERVER_OPTIONS, ...COMMON_OPTIONS }), columns)}
What a command takes: entrepot COMMAND --help

${PATTERNS}`
}

/** What one command does and takes. */
export function helpOf(name: string, { synopsis, summary, options }: Command, columns?: number): string {
  return `${wrapped(`usage: entrepot ${name} ${synopsis}`, '       ', columns)}

${wrapped(summary, '', columns)}

${listed(optionRows({ ...options, ...COMMON_OPTIONS }), columns)}${synopsis.includes('pattern') ? `\n${PATTERNS}` : ''}`
}

/** Those of the command itself come first. */
function optionRows(options: CommandOptions): readonly (readonly [left: string, right: string])[] {
  return Object.entries(options)
    .toSorted(([one], [other]) => rankOf(one) - rankOf(other))
    .map(([name, option]) => [flagText(name, option), option.says])
}

function rankOf(name: string): number {
  if (Object.hasOwn(COMMON_OPTIONS, name)) return 2
  return name === 'json' || Object.hasOwn(SERVER_OPTIONS, name) ? 1 : 0
}

function flagText(name: string, { short, value }: CommandOption): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
}

function listed(rows: readonly (readonly [left: string, right: string])[], columns?: number): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  const indent = ' '.repeat(width + 4)
  return rows
    .map(([left, right]) => `${wrapped(`  ${left.padEnd(width)}  ${right}`, indent, columns)}\n`)
    .join('')
}

/** Breaks a line between words; `indent` begins what follows. */
function wrapped(text: string, indent: string, columns = WIDTH): string {
  const width = Math.max(Math.min(columns, WIDTH), indent.length + 20)
  const lines: string[] = []
  let rest = text
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    if (space <= indent.length) break
    lines.push(rest.slice(0, space).trimEnd())
    rest = `${indent}${rest.slice(space).trimStart()}`
  }
  return [...lines, rest].join('\n')
}
