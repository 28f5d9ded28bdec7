import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { start } from '../../test/e2e/support/processes.ts'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { p99Of, ratioOfQuartiles } from '../support/listeners/paced-pulls.ts'
import { pull } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, missingHere } from '../support/systems.ts'

const ROUNDS = 24
const CPU_ROUNDS = 4
const SECONDS = 2
const LISTENERS = 200
/** In all rounds together. */
const EVENTS = 10_000
const CONNECTIONS = 16

/**
 * Milliseconds between two pulls of a connection, at most. A server that has as much to do as it can answers 1 %
 * late by a time slice of the scheduler, whatever it does. So the pulls are those of a busy cache that has room
 * for them, some 5,000 a second.
 */
const LONGEST_PAUSE = 5

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

  const pulls = { url, connections: CONNECTIONS, seconds: SECONDS, longestPause: LONGEST_PAUSE }
  const p99 = { alone: [] as number[], watched: [] as number[] }
  await p99Of(pulls)
  const alone = async () => p99.alone.push(await p99Of(pulls))
  const watched = async () => {
    await using _ = await watch()
    const [answers] = await Promise.all([p99Of(pulls), emit()])
    p99.watched.push(answers)
  }
  for (let round = 0; round < ROUNDS; round++) {
    // What changes in the course of the run meets both alike.
    for (const measure of round % 2 === 0 ? [alone, watched] : [watched, alone]) {
      await measure()
      await sleep(200)
    }
  }
  const what = 'warm manifest, some 5,000 a second: p99'
  add(what, OWN, p99.alone, 'ms')
  add(`${what}, with them`, OWN, p99.watched, 'ms')
  const { ratio, low, high } = ratioOfQuartiles(p99.watched, p99.alone)
  add(`${what}, lower quartile with them against without`, OWN, [ratio], '×', { most: 1.1 })
  add(`${what}: 95 % interval of that`, OWN, [low, high], '×')
}

function scriptOf(name: string): string {
  return fileURLToPath(new URL(`../support/listeners/${name}`, import.meta.url))
}
