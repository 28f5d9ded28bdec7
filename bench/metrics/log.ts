import { join } from 'node:path'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { inTurn } from '../support/in-turn.ts'
import { load, pull } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import {
  benchUpstream,
  entrepotSystem,
  entrepotWithoutLog,
  missingHere,
  type System,
  systemOf,
} from '../support/systems.ts'

const ROUNDS = 9

/** What the log of requests costs a warm manifest, to a file and to a pipe that somebody reads, as shipped. */
export async function log(add: Add): Promise<void> {
  if (missingHere('wrk')) return
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(1)
  await using stack = new AsyncDisposableStack()
  // A reader that costs little, as that of a container engine: one that parses takes a processor from wrk.
  const piped = await proxyProcess(
    join(folder.path, 'pipe'),
    upstream.url,
    {},
    { logFile: join(folder.path, 'pipe', 'log'), logPipe: true },
  )
  const systems = [
    stack.use(await entrepotWithoutLog(join(folder.path, 'off'), upstream.url)),
    stack.use({
      ...(await entrepotSystem(join(folder.path, 'file'), upstream.url)),
      name: `${OWN}, log to a file`,
    }),
    stack.use(systemOf(`${OWN}, log to a pipe`, piped.url, piped.program)),
  ]
  const path = `/v2/library/app/manifests/${upstream.manifest}`
  for (const { url } of systems) await pull(url + path)
  const cpuOf = async ({ url, cpu }: System): Promise<number> => {
    const before = await cpu()
    const { requests } = await load(url + path, 16, 2)
    return (((await cpu()) - before) / requests) * 1e6
  }
  const measured = [...(await inTurn(systems, ROUNDS, cpuOf, 2))]
  const [[, off]] = measured as [[System, number[]], ...[System, number[]][]]
  for (const [{ name }, values] of measured) {
    add('warm manifest: CPU', name, values, 'µs')
    if (values !== off)
      add(
        `${name}: CPU against none`,
        OWN,
        values.map((value, i) => value / off[i]!),
        '×',
        { most: 1.1 },
      )
  }
}
