/**
 * The figures of the design, side by side with the peers that are installed: `npm run bench`, or `npm run bench -- limited herd`
 * for some of them. Prints one table and writes it to bench/results/. `npm run bench -- --quick` is the regression gate of CI.
 */
import { accel } from './metrics/accel.ts'
import { cold } from './metrics/cold.ts'
import { coldDirect } from './metrics/cold-direct.ts'
import { followers } from './metrics/followers.ts'
import { growth } from './metrics/growth.ts'
import { herd } from './metrics/herd.ts'
import { hostile } from './metrics/hostile.ts'
import { limited } from './metrics/limited.ts'
import { listeners } from './metrics/listeners.ts'
import { log } from './metrics/log.ts'
import { million } from './metrics/million.ts'
import { quota } from './metrics/quota.ts'
import { replica } from './metrics/replica.ts'
import { restart } from './metrics/restart.ts'
import { simulation } from './metrics/simulation.ts'
import { slowReaders } from './metrics/slow-readers.ts'
import { smallCold } from './metrics/small-cold.ts'
import { tls } from './metrics/tls.ts'
import { warm } from './metrics/warm.ts'
import { warmSmall } from './metrics/warm-small.ts'
import { quick } from './quick.ts'
import { type Add, median, type Row, save, show, table } from './support/report.ts'

const METRICS: Readonly<Record<string, (add: Add) => Promise<void>>> = {
  warm,
  'warm-small': warmSmall,
  accel,
  tls,
  cold,
  'small-cold': smallCold,
  'cold-direct': coldDirect,
  limited,
  followers,
  herd,
  replica,
  restart,
  simulation,
  'slow-readers': slowReaders,
  growth,
  million,
  quota,
  hostile,
  listeners,
  log,
}

const wanted = process.argv.slice(2)
if (wanted[0] === '--quick') process.exit((await quick(wanted[1] === '--save')) ? 0 : 1)
const unknown = wanted.filter((name) => !(name in METRICS))
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${Object.keys(METRICS).join(', ')}`)
  process.exit(64)
}
const rows: Row[] = []
for (const [metric, measure] of Object.entries(METRICS)) {
  if (wanted.length > 0 && !wanted.includes(metric)) continue
  try {
    await measure((what, system, all, unit, limits) => {
      const value = median(all)
      rows.push({ metric, what, system, unit, value, all, ...(limits && { wanted: limits }) })
      console.error(`${system}: ${what}: ${show(value)} ${unit}`)
    })
  } catch (error) {
    console.error(`${metric} failed:`, error)
    process.exitCode = 1
  }
}
await save(new URL('results/', import.meta.url), rows)
console.log(`\n${table(rows)}`)
