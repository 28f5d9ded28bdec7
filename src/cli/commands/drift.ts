import type { DriftReport, MoveChange, MoveReport } from '../../ports/time.ts'
import { agoText, countText, digestText, instantText, sizeText } from '../../util/human.ts'
import { STORE_OPTIONS } from '../client/with-operations.ts'
import { withProcess } from '../client/with-process.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

/** `now`: epoch milliseconds. */
export function drift(now: () => number): Command {
  return {
    synopsis: '[--since 7d] [--json]',
    summary: 'lists the tags that moved, from what to what, and moves that a cool-down holds back',
    takes: [0, 0],
    options: {
      ...STORE_OPTIONS,
      since: { type: 'string', value: '7d', says: 'how many days to look back, 7d without it' },
    },
    run: withProcess(async ({ json }, { options, stdout }) => {
      const { since = '7d' } = options
      const found = await json<DriftReport>('GET', `drift?${new URLSearchParams({ since: String(since) })}`)
      if (options['json']) {
        writeJson(stdout, found)
        return EXIT.done
      }
      const { moves, isCut } = found
      if (moves.length === 0) {
        stdout.write(`no tag was seen to move since ${instantText(found.since)}\n`)
        return EXIT.done
      }
      const rows = moves.map((move) => row(move, now()))
      stdout.write(
        table([['IMAGE', 'FROM', 'TO', 'SEEN', ''], ...rows], {
          columns: stdout.columns,
          left: [1, 2, 3, 4],
        }),
      )
      if (isCut) stdout.write(`only the last ${countText(moves.length, 'move')} are listed\n`)
      return EXIT.done
    }),
  }
}

function row(
  { image, at, from, to, looksImmutable, coolDown, change }: MoveReport,
  now: number,
): readonly string[] {
  const notes = [
    ...(change === null ? [] : changesIn(change)),
    ...(looksImmutable ? ['looks immutable'] : []),
    ...(coolDown === null ? [] : [`held until ${instantText(coolDown.until)}`]),
  ]
  return [image, digestText(from), digestText(to), agoText(now - Date.parse(at)), notes.join(', ')]
}

function changesIn({ size, layers, platformsAdded, platformsRemoved }: MoveChange): readonly string[] {
  return [
    ...(size === null || size.from === size.to ? [] : [`${sizeText(size.from)} -> ${sizeText(size.to)}`]),
    ...(layers === null || layers.from === layers.to ? [] : [`${layers.from} -> ${layers.to} layers`]),
    ...platformsAdded.map((platform) => `with ${platform}`),
    ...platformsRemoved.map((platform) => `without ${platform}`),
  ]
}
