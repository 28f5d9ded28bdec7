import { text as textOf } from 'node:stream/consumers'
import { dockerLogin } from '../../../compose/upstreams/docker-login.ts'
import { printable } from '../../../config/config-error.ts'
import { DESTINATION_MUST, parseDestination } from '../../../config/upstreams/destination.ts'
import { size } from '../../../config/schema/quantities.ts'
import type { PushCredentials, PushedImage, PushReport, PushStep } from '../../../ports/moving/push.ts'
import { countText, sizeText } from '../../../util/human.ts'
import { STORE_OPTIONS } from '../../client/with-operations.ts'
import { type OpenHere, pushBy } from '../../client/with-push.ts'
import { type Command, type Invocation, UsageError } from '../../command.ts'
import { EXIT } from '../../exit-code.ts'
import { platformsGiven } from '../../images/platforms.ts'
import { writeJson } from '../../output/json.ts'
import { pushProgress } from '../../output/push-progress.ts'

/** Patterns of one command. */
const MOST = 100

export function push(open: OpenHere): Command {
  return {
    synopsis: '<pattern>… <destination> [--platform P]… [--referrers] [--rate 50MB/s] [--dry-run] [--json]',
    summary: 'copies stored images to another registry, and fetches what of them is not stored',
    takes: [2, MOST + 1],
    options: {
      ...STORE_OPTIONS,
      platform: {
        type: 'string',
        multiple: true,
        value: 'P',
        says: 'only these platforms of an index, which is sparse there then; omitted: all',
      },
      referrers: { type: 'boolean', says: 'with signatures and whatever else refers to an image' },
      'with-upstream': { type: 'boolean', says: 'names begin with their upstream, docker.io/library/node' },
      'dry-run': { type: 'boolean', says: 'sends nothing, and says what it would' },
      rate: { type: 'string', value: '50MB/s', says: 'bytes per second; omitted: no limit' },
      username: {
        type: 'string',
        value: 'NAME',
        says: 'logs in, with the password on the standard input; omitted: as docker login did',
      },
      'token-realm': {
        type: 'string',
        multiple: true,
        value: 'URL',
        says: 'a token service of another domain that may get the credentials',
      },
    },
    async run(invocation) {
      const { args, options, stdout, stderr } = invocation
      const to = parseDestination(args.at(-1)!)
      if (to === undefined)
        throw new UsageError(`${JSON.stringify(printable(args.at(-1)!))} ${DESTINATION_MUST}`)
      const dryRun = options['dry-run'] === true
      const rate = rateFrom(options['rate'])
      const request = {
        images: args.slice(0, -1),
        to: {
          ...to,
          tokenRealms: [...to.tokenRealms, ...listed(options['token-realm'])].map(originOf),
          ...(!dryRun && (await credentialsFor(to.url, invocation))),
        },
        platforms: platformsGiven(options['platform']) ?? [],
        referrers: options['referrers'] === true,
        withUpstream: options['with-upstream'] === true,
        ...(rate !== undefined && { rate }),
        dryRun,
      }
      const images = new Map<string, PushedImage>()
      const shown = pushProgress(
        options['json'] ? stderr : stdout,
        options['json'] !== true || isTerminal(stderr),
      )
      const report = await pushBy(open, invocation, request, (_, step: PushStep) => {
        if (step.step === 'images') for (const image of step.images) images.set(image.image, image)
        shown.update(step)
      })
      shown.end()
      if (options['json']) writeJson(stdout, { ...summaryOf(report), images: [...images.values()] })
      else if (report.images > 0) stdout.write(reportText(report, dryRun, images))
      if (report.images === 0) stderr.write(`nothing matches ${request.images.join(', ')}\n`)
      return report.images === 0 || report.failed + report.notTried > 0 ? EXIT.failed : EXIT.done
    },
  }
}

/** Without the mark that the admin API ends its answer with. */
function summaryOf({ images, pushed, unchanged, failed, notTried, sent, mounted, seconds }: PushReport) {
  return { total: images, pushed, unchanged, failed, notTried, sent, mounted, seconds }
}

function reportText(report: PushReport, dryRun: boolean, images: ReadonlyMap<string, PushedImage>): string {
  const { pushed, unchanged, failed, notTried, sent, mounted, seconds } = report
  if (dryRun) {
    const bytes = [...images.values()].reduce((sum, { size }) => sum + size, 0)
    return `would push ${countText(report.images, 'image')}, ${sizeText(bytes)} at most\n`
  }
  const parts = [
    `${countText(pushed, 'image')} pushed`,
    `${unchanged} unchanged`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(notTried > 0 ? [`${notTried} not tried, for the destination is out`] : []),
    `${sizeText(sent)} sent`,
    `${countText(mounted, 'blob')} mounted`,
    `${seconds} s`,
  ]
  return `${parts.join(', ')}\n`
}

async function credentialsFor(
  url: string,
  { options, env }: Invocation,
): Promise<{ readonly credentials?: PushCredentials }> {
  const username = options['username']?.toString()
  if (username === undefined) {
    const credentials = await dockerLogin(url, env)
    return credentials === undefined ? {} : { credentials }
  }
  const password = (await textOf(process.stdin)).replace(/\r?\n$/, '')
  if (password === '') throw new UsageError('--username needs its password on the standard input')
  return { credentials: { username, password } }
}

function rateFrom(text: Invocation['options'][string]): number | undefined {
  if (text === undefined) return undefined
  const rate = size.parse(String(text).replace(/\/s$/, ''))
  if (rate === undefined || rate < 1024)
    throw new UsageError(`--rate ${String(text)}: must be bytes per second, such as 50MB/s`)
  return rate
}

function originOf(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError(`--token-realm ${text}: must be a URL such as https://auth.example`)
  return url.origin
}

function listed(option: Invocation['options'][string]): readonly string[] {
  return [option ?? []].flat().map(String)
}

function isTerminal({ columns }: Invocation['stderr']): boolean {
  return columns !== undefined
}
