import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { ImportedImage, ImportReport } from '../../../ports/moving/archive.ts'
import { countText, sizeText } from '../../../util/human.ts'
import { STORE_OPTIONS } from '../../client/with-operations.ts'
import { withProcess } from '../../client/with-process.ts'
import type { Command } from '../../command.ts'
import { EXIT } from '../../exit-code.ts'
import { bars } from '../../output/bars.ts'
import { writeJson } from '../../output/json.ts'

/** `now`: monotonic milliseconds. */
export function importArchive(now: () => number): Command {
  return {
    synopsis: '<FILE> [--as UPSTREAM/REPOSITORY] [--json]',
    summary:
      'takes in an archive of `export`, docker save (25 or newer), skopeo or oras, all of it or nothing; - is a pipe',
    takes: [1, 1],
    options: {
      ...STORE_OPTIONS,
      as: {
        type: 'string',
        value: 'UPSTREAM/REPOSITORY',
        says: 'the name of its images, instead of their own',
      },
    },
    run: withProcess(async (client, { args, options, stdout, stderr }) => {
      const file = args[0]!
      const isPipe = file === '-'
      const total = isPipe ? 0 : await sizeOf(file)
      const shown = bars(stderr, now)
      const as = options['as'] === undefined ? '' : `?as=${encodeURIComponent(String(options['as']))}`
      const report = await client
        .upload<ImportReport>(`import${as}`, read(), 'application/x-tar')
        .finally(() => shown.end())
      if (options['json']) writeJson(stdout, report)
      else stdout.write(textOf(report))
      return EXIT.done

      async function* read(): AsyncGenerator<Buffer> {
        let done = 0
        for await (const piece of isPipe
          ? process.stdin
          : createReadStream(file, { highWaterMark: 1024 * 1024 })) {
          const bytes = piece as Buffer
          done += bytes.length
          shown.draw([{ text: file, done, total }])
          yield bytes
        }
      }
    }),
  }
}

/** @throws Error when it is no file that can be read, before anything is sent */
async function sizeOf(file: string): Promise<number> {
  await using opened = await open(file)
  const stats = await opened.stat()
  if (stats.isDirectory()) throw new Error(`cannot use ${file}: it is a folder, and an archive is needed`)
  return stats.size
}

function textOf({ images, blobs, bytes }: ImportReport): string {
  const lines = images.map((image) => `${image.state.padEnd(8)} ${image.image}${noteOf(image)}\n`)
  return `${lines.join('')}${countText(images.length, 'image')}: ${countText(blobs, 'object')}, ${sizeText(bytes)} added\n`
}

function noteOf({ state, absent }: ImportedImage): string {
  if (state === 'kept') return ' (the tag was confirmed after the archive was made: it stays as it is)'
  return absent.length === 0 ? '' : ` (without ${[...new Set(absent)].join(', ')})`
}
