import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/e2e/support/processes.ts'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { type Audience, audience } from '../support/listeners/audience.ts'
import { pacedPulls } from '../support/listeners/paced-pulls.ts'
import { p99Of, ratioOf } from '../support/listeners/ratio.ts'
import { pull } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, missingHere } from '../support/systems.ts'

const LISTENERS = 200
/** In all rounds together. */
const EVENTS = 10_000
const ROUNDS = 22
const CPU_ROUNDS = 3
/** Until listeners that have just connected are written to, and a little more. */
const LEAD = 1.1
const SECONDS = 2
const BOUTS = 8
const EACH_SECOND = EVENTS / ROUNDS / SECONDS
/**
 * Some 5,000 pulls a second, those of a busy cache that has room for them: a server that has as much to do as it
 * can answers 1 % late by a time slice of the scheduler, whatever it does.
 */
const PACE = { connections: 16, longestPause: 5 }

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
  await using them = await audience(port, LISTENERS)
  const url = `${proxy.url}/v2/library/app/manifests/${upstream.manifest}`
  await pull(url)

  await cpuOf(them, add)

  using pulls = await pacedPulls({ url, ...PACE })
  await pulls.during(SECONDS)
  const bouts = async (): Promise<readonly number[]> => {
    const taken: (readonly number[])[] = []
    for (let bout = 0; bout < BOUTS; bout++) taken.push(await pulls.during(SECONDS / BOUTS))
    return taken.map(p99Of)
  }
  const p99 = { alone: [] as (readonly number[])[], beside: [] as (readonly number[])[] }
  const alone = async () => p99.alone.push(await bouts())
  const beside = () =>
    them.listening(async () => {
      const emitted = them.emit(EACH_SECOND * (LEAD + SECONDS), LEAD + SECONDS)
      await sleep(LEAD * 1000)
      p99.beside.push(await bouts())
      await emitted
    })
  for (let round = 0; round < ROUNDS; round++) {
    // What changes in the course of the run meets both alike.
    for (const measure of round % 2 === 0 ? [alone, beside] : [beside, alone]) {
      await sleep(200)
      await measure()
    }
  }
  const what = 'warm manifest, some 5,000 a second: p99 of a bout'
  add(what, OWN, p99.alone.flat(), 'ms')
  add(`${what}, with them`, OWN, p99.beside.flat(), 'ms')
  const { ratio, low, high } = ratioOf(p99.beside, p99.alone)
  add(`${what}, with them against without`, OWN, [ratio], '×', { most: 1.1 })
  add(`${what}: 95 % interval of that`, OWN, [low, high], '×')
}

/** CPU time of the thread holds on a busy machine, where answer times do not. */
async function cpuOf(them: Audience, add: Add): Promise<void> {
  const cpu: number[] = []
  const sent: number[] = []
  const emit = (seconds: number) => them.emit(EACH_SECOND * seconds, seconds)
  for (let round = 0; round < CPU_ROUNDS; round++) {
    const unheard = await emit(SECONDS)
    const { value: heard, bytes } = await them.listening(async () => {
      await emit(LEAD)
      return emit(SECONDS)
    })
    cpu.push(((heard - unheard) / SECONDS) * 1000)
    sent.push(bytes / SECONDS / 1e6)
  }
  const what = `${LISTENERS} listeners of ${EVENTS} events`
  add(`${what}: CPU of the main thread a second`, OWN, cpu, 'ms', { most: 10 })
  add(`${what}: sent a second`, OWN, sent, 'MB')
}
