import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { start } from '../../test/e2e/support/processes.ts'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { load, pull } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import { benchUpstream, missingHere } from '../support/systems.ts'

const ROUNDS = 5
const SECONDS = 5
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
  const alone: number[] = []
  const watched: number[] = []
  await load(url, CONNECTIONS, SECONDS)
  for (let round = 0; round < ROUNDS; round++) {
    alone.push((await load(url, CONNECTIONS, SECONDS)).p99)
    await using watchers = start(process.execPath, [
      scriptOf('watchers.ts'),
      String(eventsPort),
      String(LISTENERS),
    ])
    await watchers.line((line) => line.includes('connected') || undefined)
    await fetch(`http://127.0.0.1:${eventsPort}/emit?count=${EVENTS / ROUNDS}&seconds=${SECONDS}`)
    watched.push((await load(url, CONNECTIONS, SECONDS)).p99)
    watchers.kill('SIGUSR2')
    const { bytes } = await watchers.line((line) =>
      line.includes('bytes') ? (JSON.parse(line) as { bytes: number }) : undefined,
    )
    add(`${LISTENERS} listeners: what they got`, OWN, [bytes / 1024 / 1024], 'MiB')
    await sleep(500)
  }
  const what = 'warm manifest, 16 connections: p99'
  add(what, OWN, alone, 'ms')
  add(`${what}, with ${LISTENERS} listeners of ${EVENTS} events`, OWN, watched, 'ms')
  add(
    `${what}: the listeners' share`,
    OWN,
    watched.map((p99, i) => p99 / alone[i]!),
    '×',
    { most: 1.1 },
  )
}

function scriptOf(name: string): string {
  return fileURLToPath(new URL(`../support/listeners/${name}`, import.meta.url))
}
