import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/e2e/support/processes.ts'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { audience } from '../support/listeners/audience.ts'
import { pacedPulls } from '../support/listeners/paced-pulls.ts'
import { precedence } from '../support/listeners/precedence.ts'
import { cpuOfOthers } from '../support/listeners/others.ts'
import { p99Of, ratioOf } from '../support/listeners/ratio.ts'
import { pull } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, missingHere } from '../support/systems.ts'

const LISTENERS = 200
/** A second: 10,000 in all rounds together. */
const EVENTS = 200
/** Seconds until listeners that have just connected are written to, and a little more. */
const LEAD = 1.1
/** Of a part of a round, which has so many bouts. */
const SECONDS = 2
const BOUTS = 8
/** Of all rounds together. */
const LONGEST = 135
/** Rounds from which an interval is told. */
const LEAST = 4
/** CPU seconds of other programs beside which a part of a round still counts: a tenth of one processor. */
const OTHERS = SECONDS / 10
/**
 * Some 5,000 pulls a second, those of a busy cache that has room for them: a server that has as much to do as it
 * can answers 1 % late by a time slice of the scheduler, whatever it does.
 */
const PACE = { connections: 16, longestPause: 5 }

interface Part {
  /** Of each bout, in milliseconds. */
  readonly p99s: readonly number[]
  /** Of the main thread, in milliseconds a second. */
  readonly cpu: number
  /** CPU seconds of other programs. */
  readonly others: number
}

interface Round {
  readonly before: Part
  readonly beside: Part
  readonly after: Part
}

/** What 10,000 events and 200 listeners of the dashboard do to the pulls of others, bout by bout in the same process. */
export async function listeners(add: Add): Promise<void> {
  if (missingHere('chrt')) return
  const port = await freePort()
  const preload = fileURLToPath(new URL('../support/listeners/emitting.ts', import.meta.url))
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(1)
  // In its default configuration: it logs each request, to a file as a service does.
  const options = { preload, env: { EVENTS_PORT: String(port) }, logFile: join(folder.path, 'log') }
  await using proxy = await proxyProcess(folder.path, upstream.url, {}, options)
  await using _own = await precedence(process.pid)
  await using _proxy = await precedence(proxy.program.pid)
  await using them = await audience(port, LISTENERS)
  const url = `${proxy.url}/v2/library/app/manifests/${upstream.manifest}`
  await pull(url)

  using pulls = await pacedPulls({ url, ...PACE })
  await pulls.during(SECONDS)
  const own = [process.pid, proxy.program.pid, them.pid]
  const part = async (events: number): Promise<Part> => {
    const others = await cpuOfOthers(own)
    const emitted = them.emit(events * SECONDS, SECONDS)
    const taken: (readonly number[])[] = []
    for (let bout = 0; bout < BOUTS; bout++) taken.push(await pulls.during(SECONDS / BOUTS))
    const cpu = ((await emitted) / SECONDS) * 1000
    return { p99s: taken.map(p99Of), cpu, others: (await cpuOfOthers(own)) - others }
  }
  const alone = async () => {
    await sleep(200)
    return part(0)
  }
  const beside = () =>
    them.listening(async () => {
      await them.emit(EVENTS * LEAD, LEAD)
      return part(EVENTS)
    })
  const quiet: Round[] = []
  let disturbed = 0
  for (const until = performance.now() + LONGEST * 1000; performance.now() < until;) {
    const round = { before: await alone(), beside: await beside(), after: await alone() }
    if (Object.values(round).every(({ others }) => others <= OTHERS)) quiet.push(round)
    else disturbed += 1
  }
  if (quiet.length < LEAST)
    throw new Error(`other programs ran beside ${disturbed} rounds: only ${quiet.length} count`)
  report(quiet, add)
  add('rounds that do not count, for other programs ran beside them', OWN, [disturbed], '')
}

function report(rounds: readonly Round[], add: Add): void {
  const before = rounds.map((round) => round.before.p99s)
  const after = rounds.map((round) => round.after.p99s)
  const alone = rounds.map((_, round) => [...before[round]!, ...after[round]!])
  const beside = rounds.map((round) => round.beside.p99s)
  const what = 'warm manifest, some 5,000 a second: p99 of a bout'
  add(what, OWN, alone.flat(), 'ms')
  add(`${what}, with them`, OWN, beside.flat(), 'ms')
  const { ratio, low, high } = ratioOf(beside, alone)
  add('p99 with them against without', OWN, [ratio], '×', { most: 1.1 })
  add('p99 with them against without: 95 % interval', OWN, [low, high], '×')
  const none = ratioOf(after, before)
  add('p99 without against without: 95 % interval', OWN, [none.low, none.high], '×')
  const cpu = rounds.map((round) => round.beside.cpu - (round.before.cpu + round.after.cpu) / 2)
  add('CPU of the main thread a second for them', OWN, cpu, 'ms')
}
