import { createHash } from 'node:crypto'
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { elsewhere } from '../support/elsewhere.ts'
import type { HostileContent } from '../support/hostile-upstream.ts'
import { type Add, OWN } from '../support/report.ts'
import { entrepotSystem } from '../support/systems.ts'

const ATTACKS = process.env['ATTACKS']?.split(',') ?? ['SEC-70', 'SEC-71', 'SEC-72', 'SEC-73', 'SEC-80']
/** Whether the attacks meet another process on this machine: what they cost then is not the proxy's doing. */
const NEIGHBOUR = process.env['NEIGHBOUR'] !== undefined
/** Small enough for a descriptor of the attack to displace all of it, if it did. */
const MAX_SIZE = '60MiB'
/** Milliseconds between two pulls. */
const WARM_EVERY = 5
const COLD_EVERY = 250

/** Each attack comes in so many bouts, with a quiet time before each to compare it with. */
const BOUTS = 3
/** Milliseconds after which the last attack is over for the proxy too: uses are written every five seconds. */
const SETTLE = 6_000

/**
 * What one client's attacks cost another one, for a minute each or `SECONDS=15`, all of them or
 * `ATTACKS=SEC-70`: its warm pulls (a manifest by tag and a blob of 64 KiB) beside those of the quiet time just
 * before, and the cold pulls of a healthy repository of the same upstream. Quiet and attacked times alternate,
 * and the median of their ratios counts, so that what else the machine does matters less.
 */
export async function hostile(add: Add): Promise<void> {
  const seconds = Number(process.env['SECONDS'] ?? 60) / BOUTS
  await using folder = await tempFolder()
  await using upstream = elsewhere(script('hostile-upstream.ts'))
  const { port, warm } = await upstream.line((line) => JSON.parse(line) as HostileContent)
  const upstreamUrl = `http://127.0.0.1:${port}`
  await using proxy = await entrepotSystem(`${folder.path}/entrepot`, upstreamUrl, {
    storage: { root: './data', minFree: 0, maxSize: MAX_SIZE },
  })
  await using neighbour = NEIGHBOUR
    ? await entrepotSystem(`${folder.path}/neighbour`, upstreamUrl)
    : undefined
  const client = new Agent({ keepAlive: true, maxSockets: 4 })
  const pullWarm = async () => {
    const answers = []
    for (const path of warm) answers.push(await pull(client, proxy.url + path))
    return answers
  }
  await pullWarm()
  let next = 0
  const pullCold = async () => {
    const { bytes } = await pull(client, `${proxy.url}/v2/cold/app/manifests/n${(next += 1)}`)
    const { layers } = JSON.parse(bytes.toString()) as { layers: { digest: string }[] }
    await pull(client, `${proxy.url}/v2/cold/app/blobs/${layers[0]!.digest}`)
  }
  const measured = (time: number) => measure(time, pullWarm, pullCold)
  // The first pulls compile the code.
  await measured(5)

  for (const attack of ATTACKS) {
    const bouts: Bout[] = []
    for (let bout = 0; bout < BOUTS; bout++) {
      await sleep(SETTLE)
      const quiet = await measured(Math.max(3, seconds / 2))
      await using attacker = elsewhere(
        script('attacker.ts'),
        (neighbour ?? proxy).url,
        attack,
        String(seconds),
      )
      const attacked = await measured(seconds)
      const { requests } = await attacker.line((line) => JSON.parse(line) as { requests: number })
      bouts.push({ quiet, attacked, requests })
      for (const problem of [...quiet.problems, ...attacked.problems].slice(0, 5))
        console.error(`${attack}: ${problem}`)
    }
    tell(attack, bouts, await proxy.peak(), add)
  }
  client.destroy()
}

interface Bout {
  readonly quiet: Measured
  readonly attacked: Measured
  /** Of the attacker. */
  readonly requests: number
}

function tell(attack: string, bouts: readonly Bout[], peak: number, add: Add): void {
  const of = (what: string, values: readonly number[], unit: string, most?: number) =>
    add(`${attack}: ${what}`, OWN, values, unit, most === undefined ? undefined : { most })
  const sum = (of: (bout: Bout) => number): number[] => [bouts.reduce((total, bout) => total + of(bout), 0)]
  const each = (of: (bout: Bout) => number): number[] => bouts.map(of)
  of(
    'requests of the attacker',
    sum(({ requests }) => requests),
    '',
  )
  of(
    'warm pull, quiet, median',
    each(({ quiet }) => quiet.median),
    'ms',
  )
  of(
    'warm pull beside it, median',
    each(({ attacked }) => attacked.median),
    'ms',
  )
  of(
    'warm pull, quiet, p99',
    each(({ quiet }) => quiet.p99),
    'ms',
  )
  of(
    'warm pull beside it, p99',
    each(({ attacked }) => attacked.p99),
    'ms',
  )
  const ratios = each(({ quiet, attacked }) => attacked.p99 / quiet.p99)
  of('warm pull beside it, p99', ratios, '× quiet', 1.5)
  of(
    'longest warm pull beside it',
    each(({ attacked }) => attacked.longest),
    'ms',
  )
  of(
    'warm pulls that were not hits',
    sum(({ attacked }) => attacked.misses),
    '',
    0,
  )
  of(
    'cold pulls of a healthy repository',
    sum(({ attacked }) => attacked.cold),
    '',
  )
  of(
    'cold pulls that failed',
    sum(({ attacked }) => attacked.failed),
    '',
    0,
  )
  of('memory at most so far', [peak], 'MiB', 350)
}

interface Measured {
  /** Milliseconds. */
  readonly median: number
  readonly p99: number
  readonly longest: number
  /** Warm pulls that upstream was asked for. */
  readonly misses: number
  readonly cold: number
  readonly failed: number
  readonly problems: readonly string[]
}

async function measure(
  seconds: number,
  pullWarm: () => Promise<readonly Pulled[]>,
  pullCold: () => Promise<void>,
): Promise<Measured> {
  const end = performance.now() + seconds * 1000
  const times: number[] = []
  const problems: string[] = []
  const counts = { misses: 0, cold: 0, failed: 0 }
  const warm = async () => {
    for (; performance.now() < end; await sleep(WARM_EVERY)) {
      const begun = performance.now()
      const answers = await pullWarm()
      times.push(performance.now() - begun)
      if (answers.some(({ status }) => !status.startsWith('entrepot; hit'))) counts.misses += 1
    }
  }
  const cold = async () => {
    for (; performance.now() < end; await sleep(COLD_EVERY)) {
      counts.cold += 1
      await pullCold().catch((error: Error) => {
        counts.failed += 1
        problems.push(error.message)
      })
    }
  }
  await Promise.all([warm(), cold()])
  times.sort((a, b) => a - b)
  const at = (share: number): number => times[Math.floor(share * times.length)]!
  return { median: at(0.5), p99: at(0.99), longest: times.at(-1)!, ...counts, problems }
}

interface Pulled {
  readonly bytes: Buffer
  /** Cache-Status. */
  readonly status: string
}

/** @throws when there is no answer, another one than 200, or a blob with other bytes. */
function pull(agent: Agent, url: string): Promise<Pulled> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject).once('end', () => {
        const bytes = Buffer.concat(chunks)
        const wanted = /sha256:(\w+)$/.exec(url)?.[1]
        const isRight = wanted === undefined || createHash('sha256').update(bytes).digest('hex') === wanted
        if (response.statusCode === 200 && isRight) {
          return resolve({ bytes, status: String(response.headers['cache-status']) })
        }
        reject(new Error(`${url}: ${response.statusCode} ${bytes.toString('utf8', 0, 300)}`))
      })
    })
    request.once('error', reject)
  })
}

function script(name: string): string {
  return fileURLToPath(new URL(`../support/${name}`, import.meta.url))
}
