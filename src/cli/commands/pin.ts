import { type Command, patternFrom } from '../command.ts'
import { ageText, countText } from '../output/human.ts'
import { table } from '../output/table.ts'
import { withOperations } from '../client/with-operations.ts'

/** `now`: epoch milliseconds. */
export function pin(now: () => number): Command {
  return {
    synopsis: '[pattern]',
    summary: 'keeps images from being evicted; alone, lists what is pinned',
    takes: [0, 1],
    options: {},
    run: withOperations(async ({ catalogue, pins }, invocation) => {
      const { args, stdout } = invocation
      if (args[0] === undefined) {
        const rows = (await pins.list()).map(({ pattern, addedAt }) => [
          pattern,
          addedAt === undefined ? 'configuration' : ageText(now() - addedAt),
        ])
        stdout.write(table([['PATTERN', 'SINCE'], ...rows], { columns: stdout.columns, left: [1] }))
        return 0
      }
      const pattern = patternFrom(args[0], invocation)
      const isNew = await pins.add(pattern)
      const { length } = await catalogue.images(pattern)
      const what = `${pattern.text}, which is ${countText(length, 'image')} now`
      stdout.write(isNew ? `pinned ${what}\n` : `already pinned: ${what}\n`)
      return 0
    }),
  }
}

export function unpin(): Command {
  return {
    synopsis: '<pattern>',
    summary: 'takes a pin away, written as it was pinned',
    takes: [1, 1],
    options: {},
    run: withOperations(async ({ pins }, invocation) => {
      const { args, stdout, stderr } = invocation
      const { text } = patternFrom(args[0]!, invocation)
      if (await pins.remove(patternFrom(args[0]!, invocation))) {
        stdout.write(`unpinned ${text}\n`)
        return 0
      }
      const isConfigured = (await pins.list()).some(({ pattern }) => pattern === text)
      stderr.write(`${text} is ${isConfigured ? 'pinned by the configuration (cache.pin)' : 'not pinned'}\n`)
      return 1
    }),
  }
}
