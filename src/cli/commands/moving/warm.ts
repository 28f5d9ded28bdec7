import type { WarmSummary } from '../../../admin/warm-routes.ts'
import type { WantedImage, WarmedImage, WarmProgress } from '../../../ports/moving/warm.ts'
import { countText, sizeText } from '../../../util/human.ts'
import { STORE_OPTIONS } from '../../client/with-operations.ts'
import { withProcess } from '../../client/with-process.ts'
import { type Command, type Invocation, UsageError } from '../../command.ts'
import { EXIT } from '../../exit-code.ts'
import { platformsGiven } from '../../images/platforms.ts'
import { readImages } from '../../images/read-images.ts'
import { type Bar, bars } from '../../output/bars.ts'

type Line = WarmProgress | WarmedImage | (WarmSummary & { readonly isDone: true })

/** Images of one request to the process. */
const MOST = 10_000

/** `now`: monotonic milliseconds. */
export function warm(now: () => number): Command {
  return {
    synopsis: '[image…] [-f FILE]… [--platform P]… [--referrers] [--json]',
    summary:
      'fetches images ahead; FILE is a list, a compose file, Kubernetes manifests, a Dockerfile or a lock',
    takes: [0, MOST],
    options: {
      ...STORE_OPTIONS,
      file: {
        type: 'string',
        short: 'f',
        multiple: true,
        value: 'FILE',
        says: 'images to fetch: a list, a compose file, Kubernetes manifests, a Dockerfile, a lock; -: standard input',
      },
      platform: {
        type: 'string',
        multiple: true,
        value: 'P',
        says: 'such as linux/amd64; omitted: those that were pulled of an image so far, else all',
      },
      referrers: { type: 'boolean', says: 'with signatures and whatever else refers to an image' },
    },
    async run(invocation) {
      const images = await wantedImages(invocation)
      if (images.length === 0) throw new UsageError('warm needs an image, or a file that names some')
      if (images.length > MOST) throw new UsageError(`warm takes at most ${MOST} images`)
      return withProcess(async (process, { options, stdout, stderr }) => {
        const content = { images, referrers: options['referrers'] === true }
        const shown = bars(stderr, now)
        const running = new Map<string, WarmProgress>()
        let ended = 0
        let summary: WarmSummary | undefined
        for await (const line of process.lines<Line>('POST', 'warm', content)) {
          if ('isDone' in line) {
            summary = line
            break
          }
          if (line.state === 'running') running.set(line.image, line)
          else {
            running.delete(line.image)
            ended += 1
            shown.above(() =>
              stdout.write(options['json'] ? `${JSON.stringify(line)}\n` : `${textOf(line)}\n`),
            )
          }
          shown.draw([...running.values().map(barOf), overall(ended, images.length)])
        }
        shown.end()
        if (summary === undefined) throw new Error('the process has ended the job before it was done')
        stdout.write(options['json'] ? `${JSON.stringify(summary)}\n` : `${summaryText(summary)}\n`)
        return summary.done === images.length ? EXIT.done : EXIT.failed
      })(invocation)
    },
  }
}

async function wantedImages({ args, options, env, stderr }: Invocation): Promise<readonly WantedImage[]> {
  const platforms = platformsGiven(options['platform'])
  const found: WantedImage[] = args.map((image) => ({ image }))
  for (const file of [options['file'] ?? []].flat()) {
    const { images, kind, problems } = await readImages(String(file), env)
    for (const problem of problems) stderr.write(`${file}: ${problem}\n`)
    stderr.write(`${file}: ${countText(images.length, 'image')} (${kind})\n`)
    found.push(...images)
  }
  return found.map(({ image, platforms: own }) => ({ image, platforms: platforms ?? own }))
}

function barOf({ image, done, bytes }: WarmProgress): Bar {
  return { text: image, done, total: bytes }
}

function overall(done: number, total: number): Bar {
  return { text: 'images', done, total, unit: 'count' }
}

const CHOSEN = { asked: '', pulled: ', as pulled before', all: '' } as const

function textOf({ image, state, platforms, chosen, bytes, fetched, missing, said }: WarmedImage): string {
  const of = platforms.length > 0 ? ` (${platforms.join(', ')}${CHOSEN[chosen]})` : ''
  const size = bytes === 0 ? '' : `: ${sizeText(bytes)}, ${sizeText(fetched)} fetched`
  const lacks = missing.map(
    ({ what, digest, platform, why }) => `\n  ${[what, platform, digest].filter(Boolean).join(' ')}: ${why}`,
  )
  const why = said === '' || missing.length > 0 ? '' : `: ${said}`
  return `${state.padEnd(10)} ${image}${of}${size}${why}${lacks.join('')}`
}

function summaryText({ done, incomplete, failed, later, bytes, fetched }: WarmSummary): string {
  const counts = { incomplete, failed, later }
  const rest = Object.entries(counts).flatMap(([state, count]) => (count > 0 ? [`${count} ${state}`] : []))
  const others = rest.length === 0 ? '' : `, ${rest.join(', ')}`
  return `${countText(done, 'image')} stored${others}: ${sizeText(bytes)}, ${sizeText(fetched)} fetched`
}
