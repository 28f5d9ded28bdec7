import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { start } from '../../test/e2e/support/processes.ts'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { load, pull } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, missingHere } from '../support/systems.ts'

/** A p99 differs by a quarter from one to the next, also where nothing else runs. */
const ROUNDS = 20
const SECONDS = 2
const LISTENERS = 200
/** In all rounds together. */
const EVENTS = 10_000
const CONNECTIONS = 16

/** What 10,000 events and 200 listeners of the dashboard do to the pulls of others, round by round in the same process. */
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
    const query = `count=${EVENTS / ROUNDS}&seconds=${SECONDS}`
    const response = await fetch(`http://127.0.0.1:${eventsPort}/emit?${query}`)
    return ((await response.json()) as { cpu: number }).cpu / SECONDS
  }
  const watch = async () => {
    const script = [scriptOf('watchers.ts'), String(eventsPort), String(LISTENERS)]
    const watchers = start(process.execPath, script)
    await watchers.line((line) => line.includes('connected') || undefined)
    return watchers
  }
  const loaded = async () => (await load(url, CONNECTIONS, SECONDS)).p99
  const p99 = { alone: [] as number[], watched: [] as number[] }
  const cpu: number[] = []
  await load(url, CONNECTIONS, SECONDS)
  const alone = async () => p99.alone.push(await loaded())
  const watched = async () => {
    const unwatched = await emit()
    await using _ = await watch()
    cpu.push(((await emit()) - unwatched) * 1000)
    const [answers] = await Promise.all([loaded(), emit()])
    p99.watched.push(answers)
  }
  for (let round = 0; round < ROUNDS; round++) {
    // What changes in the course of the run meets both alike.
    for (const measure of round % 2 === 0 ? [alone, watched] : [watched, alone]) {
      await measure()
      await sleep(500)
    }
  }
  // CPU time of the thread holds on a busy machine, where answer times do not.
  add(`${LISTENERS} listeners of ${EVENTS} events: CPU of the main thread a second`, OWN, cpu, 'ms', {
    most: 10,
  })
  const what = 'warm manifest, 16 connections: p99'
  add(what, OWN, p99.alone, 'ms')
  add(`${what}, with them`, OWN, p99.watched, 'ms')
  const ratios = p99.watched.map((with_, i) => with_ / p99.alone[i]!)
  add(`${what}: what they add`, OWN, ratios, '×', { most: 1.1 })
}

function scriptOf(name: string): string {
  return fileURLToPath(new URL(`../support/listeners/${name}`, import.meta.url))
}
