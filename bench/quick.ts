/**
 * The regression gate: `npm run bench -- --quick` measures in a minute how Entrepot compares with a bare `node:http` server, and with
 * nginx where it is installed, and fails when a ratio is below 0.7 of the committed one. `--quick --save` commits new ones. Ratios of
 * the same seconds hold on every machine, and on a busy one, where rates do not.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { tempFolder } from '../test/support/temp-folder.ts'
import { inTurn } from './support/in-turn.ts'
import { load, pull, pullMany } from './support/measure.ts'
import { BARE, median, show } from './support/report.ts'
import {
  bare,
  benchUpstream,
  entrepotSystem,
  entrepotWithoutLog,
  missingHere,
  peers,
  plain,
  type System,
} from './support/systems.ts'

const COMMITTED = new URL('ratios.json', import.meta.url)
/** Of a committed ratio. */
const TOLERATED = 0.7
const ROUNDS = 7
const CLIENTS = 8

type Ratios = Record<string, number>

/** @returns whether every ratio is high enough */
export async function quick(isSaved: boolean): Promise<boolean> {
  const ratios = await measure()
  if (isSaved) {
    await writeFile(COMMITTED, `${JSON.stringify(ratios, undefined, 2)}\n`)
    return true
  }
  const committed = JSON.parse(await readFile(COMMITTED, 'utf8')) as Ratios
  let isGood = true
  for (const [what, ratio] of Object.entries(ratios)) {
    const least = (committed[what] ?? 0) * TOLERATED
    isGood &&= ratio >= least
    const verdict = ratio >= least ? '' : '  TOO SLOW'
    console.log(`${what}: ${show(ratio)} × (committed ${show(committed[what] ?? 0)})${verdict}`)
  }
  return isGood
}

async function measure(): Promise<Ratios> {
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(64)
  await using stack = new AsyncDisposableStack()
  const own = stack.use(await entrepotSystem(`${folder.path}/entrepot`, upstream.url))
  const others = (await peers(folder.path, upstream.url, undefined, 1)).map((peer) => stack.use(peer))
  const nginx = others.filter(({ name }) => name === 'nginx')
  const blob = `/v2/library/app/blobs/${upstream.large}`
  const manifest = `/v2/library/app/manifests/${upstream.manifest}`
  const file = `${folder.path}/blob`
  await pull(upstream.url + blob, file)

  const ratios: Ratios = {}
  if (!missingHere('wrk')) {
    const silent = stack.use(await entrepotWithoutLog(`${folder.path}/log-off`, upstream.url))
    const constant = stack.use(await bare(`${folder.path}/answers`, own.url, [manifest]))
    const rate = async ({ url }: System) => (await load(url + manifest, 16, 1)).perSecond
    await compare(ratios, 'warm manifest', [own, silent, constant, ...nginx], rate)
  }
  const loop = stack.use(await plain(file))
  for (const { url } of [own, ...nginx]) await pull(url + blob)
  const speed = async ({ url }: System) => 1 / (await pullMany(CLIENTS, url + blob))
  await compare(ratios, `warm blob, ${CLIENTS} clients`, [own, loop, ...nginx], speed)
  return ratios
}

/** Adds Entrepot's ratio to each of the others, the median of those of each round. */
async function compare(
  ratios: Ratios,
  what: string,
  systems: readonly System[],
  measureOne: (system: System) => Promise<number>,
): Promise<void> {
  const measured = await inTurn(systems, ROUNDS, measureOne, 2)
  const [own, ...others] = [...measured]
  for (const [{ name }, values] of others) {
    const theirs = name === BARE ? 'a bare node:http server' : name
    ratios[`${what}, against ${theirs}`] = round(median(own![1].map((value, at) => value / values[at]!)))
  }
}

function round(ratio: number): number {
  return Math.round(ratio * 100) / 100
}
