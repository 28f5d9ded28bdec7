import { pinToJson } from '../../admin/image-json.ts'
import { type StoreAccess, STORE_OPTIONS, withOperations } from '../client/with-operations.ts'
import type { Command, Invocation } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { ageText, countText } from '../../util/human.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

/** `now`: epoch milliseconds. */
export function pin(now: () => number): Command {
  return {
    synopsis: '[pattern] [--json]',
    summary: 'keeps images from being evicted; without a pattern, lists the pins',
    takes: [0, 1],
    options: STORE_OPTIONS,
    run: withOperations(async (store, invocation) =>
      invocation.args[0] === undefined
        ? list(store, invocation, now)
        : add(store, invocation, invocation.args[0]),
    ),
  }
}

export function unpin(): Command {
  return {
    synopsis: '<pattern> [--json]',
    summary: 'removes a pin, written as it was pinned',
    takes: [1, 1],
    options: STORE_OPTIONS,
    run: withOperations(async ({ pins, patternOf }, { args, options, stdout, stderr }) => {
      const pattern = patternOf(args[0]!)
      const { text } = pattern
      const isRemoved = await pins.remove(pattern)
      if (options['json']) {
        writeJson(stdout, { pattern: text, removed: isRemoved })
      } else if (isRemoved) {
        stdout.write(`unpinned ${text}\n`)
      }
      if (isRemoved) return EXIT.done
      const isConfigured = (await pins.list()).some(({ pattern }) => pattern === text)
      stderr.write(`${text} is ${isConfigured ? 'pinned by the configuration (cache.pin)' : 'not pinned'}\n`)
      return EXIT.failed
    }),
  }
}

async function list(
  { pins }: StoreAccess,
  { options, stdout }: Invocation,
  now: () => number,
): Promise<ExitCode> {
  const pinned = await pins.list()
  if (options['json']) {
    writeJson(stdout, pinned.map(pinToJson))
    return EXIT.done
  }
  const rows = pinned.map(({ pattern, addedAt }) => [
    pattern,
    addedAt === undefined ? 'configuration' : ageText(now() - addedAt),
  ])
  stdout.write(table([['PATTERN', 'SINCE'], ...rows], { columns: stdout.columns, left: [1] }))
  return EXIT.done
}

async function add(
  { catalogue, pins, patternOf }: StoreAccess,
  { options, stdout }: Invocation,
  argument: string,
): Promise<ExitCode> {
  const pattern = patternOf(argument)
  const isNew = await pins.add(pattern)
  const { length } = await catalogue.images(pattern)
  const what = `${pattern.text}, which matches ${countText(length, 'image')} now`
  if (options['json']) writeJson(stdout, { pattern: pattern.text, added: isNew, images: length })
  else stdout.write(isNew ? `pinned ${what}\n` : `already pinned: ${what}\n`)
  return EXIT.done
}
