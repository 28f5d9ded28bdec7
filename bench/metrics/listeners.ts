import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { start } from '../../test/e2e/support/processes.ts'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { answerTimes, type AnswerTimes, p99Of, p99Ratio } from '../support/listeners/answer-times.ts'
import { pull } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, missingHere } from '../support/systems.ts'

const ROUNDS = 14
const CPU_ROUNDS = 5
const SECONDS = 3
const LISTENERS = 200
/** In all rounds of one load together. */
const EVENTS = 10_000
const CONNECTIONS = 16

/**
 * A server that has as much to do as it can answers 1 % late by a time slice of the scheduler, whatever it does,
 * and differs by a quarter from bout to bout. So the pulls are those of a busy cache that has room for them.
 */
const LOADS = [
  { what: 'some 5,000 warm manifests a second', longestPause: 5, most: 1.1 },
  { what: 'as many warm manifests as it answers', longestPause: 0, most: undefined },
]

/** What 10,000 events and 200 listeners of the dashboard do to the pulls of others, bout by bout in the same process. */
export async function listeners(add: Add): Promise<void> {
  if (missingHere('wrk')) return
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(1)
  const preload = scriptOf('emitting.ts')
  await using proxy = await proxyProcess(folder.path, upstream.url, {}, { preload })
  const { eventsPort } = await proxy.program.line((line) =>
    line.includes('eventsPort') ? (JSON.parse(line) as { eventsPort: number }) : undefined,
  )
  const url = `${proxy.url}/v2/library/app/manifests/${upstream.manifest}`
  await pull(url)
  const emit = async (): Promise<number> => {
    const query = `count=${Math.ceil(EVENTS / ROUNDS)}&seconds=${SECONDS}`
    const response = await fetch(`http://127.0.0.1:${eventsPort}/emit?${query}`)
    return ((await response.json()) as { cpu: number }).cpu / SECONDS
  }
  // They are other people's machines: what they do with a message must not delay the pulls of this one.
  const watch = async () => {
    const script = [
      '-n',
      '19',
      process.execPath,
      scriptOf('watchers.ts'),
      String(eventsPort),
      String(LISTENERS),
    ]
    const watchers = start('nice', script)
    await watchers.line((line) => line.includes('connected') || undefined)
    return watchers
  }

  // CPU time of the thread holds on a busy machine, where answer times do not.
  const cpu: number[] = []
  for (let round = 0; round < CPU_ROUNDS; round++) {
    const unwatched = await emit()
    await using _ = await watch()
    cpu.push(((await emit()) - unwatched) * 1000)
  }
  add(`${LISTENERS} listeners of ${EVENTS} events: CPU of the main thread a second`, OWN, cpu, 'ms', {
    most: 10,
  })

  for (const { what, longestPause, most } of LOADS) {
    const pulls = { url, connections: CONNECTIONS, seconds: SECONDS, longestPause }
    const alone: AnswerTimes[] = []
    const watched: AnswerTimes[] = []
    await answerTimes(pulls)
    const measureAlone = async () => alone.push(await answerTimes(pulls))
    const measureWatched = async () => {
      await using _ = await watch()
      watched.push((await Promise.all([answerTimes(pulls), emit()]))[0])
    }
    for (let round = 0; round < ROUNDS; round++) {
      // What changes in the course of the run meets both alike.
      const inOrder = [measureAlone, measureWatched]
      for (const measure of round % 2 === 0 ? inOrder : inOrder.toReversed()) {
        await measure()
        await sleep(200)
      }
    }
    const p99 = `${what}: p99`
    add(
      p99,
      OWN,
      alone.map((times) => p99Of([times])),
      'ms',
    )
    add(
      `${p99}, with them`,
      OWN,
      watched.map((times) => p99Of([times])),
      'ms',
    )
    const { ratio, low, high } = p99Ratio(watched, alone)
    const limit = most === undefined ? undefined : { most }
    add(`${p99} of all bouts, with them against without`, OWN, [ratio], '×', limit)
    add(`${p99}: lower end of the 95 % interval`, OWN, [low], '×')
    add(`${p99}: upper end of the 95 % interval`, OWN, [high], '×', limit)
  }
}

function scriptOf(name: string): string {
  return fileURLToPath(new URL(`../support/listeners/${name}`, import.meta.url))
}
