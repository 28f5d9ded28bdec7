import type {
  BucketReport,
  ClusterReport,
  Status,
  StoreReport,
  UpstreamReport,
  UpstreamStatus,
  WebhookReport,
} from '../../ports/insight/insight.ts'
import { STORE_OPTIONS } from '../client/with-operations.ts'
import { withProcess } from '../client/with-process.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { ageText, agoText, countText, sizeText } from '../../util/human.ts'
import { writeJson } from '../output/json.ts'
import { table } from '../output/table.ts'

/** `now`: epoch milliseconds. */
export function status(now: () => number): Command {
  const ago = (instant: string): string => ageText(now() - Date.parse(instant))
  return {
    synopsis: '[--json]',
    summary: 'tells the state of each upstream, the disk and the running downloads',
    takes: [0, 0],
    options: STORE_OPTIONS,
    run: withProcess(async ({ json }, { options, stdout }) => {
      const found = await json<Status>('GET', 'upstreams')
      if (options['json']) {
        writeJson(stdout, found)
        return EXIT.done
      }
      const head = ['UPSTREAM', 'STATE', 'SINCE', 'STORED', 'LIMIT LEFT', 'CREDENTIALS', 'SAID LAST']
      const rows = found.upstreams.map((upstream) => [
        upstream.name,
        upstream.state,
        ago(upstream.since),
        storedText(upstream),
        limitText(upstream),
        upstream.credentials,
        upstream.said,
      ])
      stdout.write(table([head, ...rows], { columns: stdout.columns, left: [1, 5, 6] }))
      for (const { name, advice } of found.upstreams)
        if (advice !== null) stdout.write(`${name}: ${advice}\n`)
      for (const webhook of found.webhooks) stdout.write(`${webhookText(webhook)}\n`)
      if (found.cluster) stdout.write(`\n${clusterText(found.cluster, ago, stdout.columns)}`)
      stdout.write(`\n${storeText(found.store)}\n`)
      if (found.bucket) stdout.write(`${bucketText(found.bucket, now())}\n`)
      stdout.write(`${transfersText(found)}\n`)
      stdout.write(`entrepot ${found.version}, up ${ago(found.startedAt)}\n`)
      return EXIT.done
    }),
  }
}

function clusterText(
  { address, untold, replicas, trouble }: ClusterReport,
  ago: (instant: string) => string,
  columns: number | undefined,
): string {
  const waiting = untold === 0 ? '' : `${countText(untold, 'change')} not told to the shared index yet\n`
  if (replicas === null) {
    const why = trouble === null ? '' : `: PostgreSQL ${trouble.said}\n${trouble.advice}`
    return `this is the replica ${address}; the shared index is away${why}\n${waiting}`
  }
  const head = ['REPLICA', 'VERSION', 'UP', 'LAST SEEN', 'DOWNLOADS', 'LEADS']
  const rows = replicas.map((each) => [
    each.isOwn ? `${each.address} (this one)` : each.address,
    each.version,
    ago(each.startedAt),
    ago(each.seenAt),
    String(each.downloads),
    each.leads.join(', ') || '-',
  ])
  return table([head, ...rows], { ...(columns !== undefined && { columns }), left: [0, 1, 5] }) + waiting
}

function storedText({ storedBytes, limitBytes }: UpstreamStatus): string {
  const stored = sizeText(storedBytes)
  return limitBytes === null ? stored : `${stored} of ${sizeText(limitBytes)}`
}

function limitText({ rateLimit }: UpstreamReport): string {
  if (rateLimit === null) return '-'
  return `${rateLimit.remaining}${rateLimit.limit === null ? '' : ` of ${rateLimit.limit}`}`
}

function webhookText({ name, said, advice, delivered, queued, ...lost }: WebhookReport): string {
  const failed = lost.refused + lost.failed + lost.dropped
  const counts = `${delivered} delivered, ${queued} queued, ${failed} lost`
  return `${name}: ${said} (${counts})${advice === null ? '' : `: ${advice}`}`
}

function storeText({ objects, bytes, limitBytes, partialBytes, freeBytes, trouble }: StoreReport): string {
  const parts = [
    `store: ${sizeText(bytes)} of ${sizeText(limitBytes)} in ${countText(objects, 'object')}`,
    ...(partialBytes > 0 ? [`${sizeText(partialBytes)} of interrupted downloads`] : []),
    `${sizeText(freeBytes)} free on the disk`,
  ]
  const text = parts.join(', ')
  return trouble === null ? text : `${text}\n${trouble.said}: ${trouble.advice}`
}

function bucketText(
  { objects, bytes, limitBytes, keptBytes, sweptAt, waitingUploads, trouble }: BucketReport,
  now: number,
): string {
  const waiting = waitingUploads === 0 ? '' : `, ${countText(waitingUploads, 'object')} not uploaded yet`
  const problem = trouble === null ? '' : `\n${trouble.said}: ${trouble.advice}`
  const limit = limitBytes === null ? '' : ` of ${sizeText(limitBytes)}`
  if (objects === null || bytes === null || keptBytes === null || sweptAt === null)
    return `s3: not counted yet, the first sweep does${waiting}${problem}`
  const kept = keptBytes === 0 ? '' : `, ${sizeText(keptBytes)} of them kept`
  const counted = `counted ${agoText(now - Date.parse(sweptAt))}`
  return `s3: ${sizeText(bytes)}${limit} in ${countText(objects, 'object')}${kept}, ${counted}${waiting}${problem}`
}

function transfersText({ transfers }: Status): string {
  const rate = transfers.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0)
  const running = countText(transfers.length, 'running download')
  return transfers.length === 0 ? 'no running downloads' : `${running}, ${sizeText(rate)}/s`
}
