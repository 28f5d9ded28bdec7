import { nearest } from '../config/nearest.ts'
import type { Command } from './command.ts'
import { du } from './commands/du.ts'
import { ls } from './commands/ls.ts'
import { pin, unpin } from './commands/pin.ts'
import { purge } from './commands/purge.ts'
import { verify } from './commands/verify.ts'

export type Commands = Readonly<Record<string, Command>>

/** Everything that is done with a store and over. */
export function storeCommands(now: () => number): Commands {
  return { ls: ls(now), du: du(), purge: purge(), pin: pin(now), unpin: unpin(), verify: verify(now) }
}

export function usageOf(commands: Commands): string {
  const lines = Object.entries(commands).map(
    ([name, { synopsis, summary }]) => [`entrepot ${name} ${synopsis}`, summary] as const,
  )
  const width = Math.max(...lines.map(([left]) => left.length))
  return `usage:
${lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('')}
  --config FILE    instead of ./proxy.config.yaml; ENTREPOT_CONFIG=FILE is the same

Patterns name images as docker does; * stops at a slash, ** does not: node, node:20*, 'ghcr.io/org/**', '*@sha256:…'
`
}

/** What is wrong with an invocation; undefined when nothing is. */
export function mistakeIn(
  commands: Commands,
  name: string,
  args: readonly string[],
  options: Readonly<Record<string, unknown>>,
): string | undefined {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    const meant = nearest(name, Object.keys(commands))
    return `unknown command \`${name}\`${meant === undefined ? '' : `, did you mean \`${meant}\`?`}`
  }
  const foreign = Object.keys(options).find((option) => option !== 'config' && !(option in command.options))
  if (foreign !== undefined) return `--${foreign} is nothing that \`${name}\` knows`
  const [least, most] = command.takes
  if (args.length > most) return `\`${args[most]}\` is too much for \`${name}\``
  if (args.length < least) return `\`${name}\` needs ${command.synopsis.split(' ')[0]}`
  return undefined
}
