import { fileURLToPath } from 'node:url'
import { start } from '../../test/e2e/support/processes.ts'
import type { Downloads, Order } from './downloader.ts'

export type { Downloads } from './downloader.ts'

const SCRIPT = fileURLToPath(new URL('downloader.ts', import.meta.url))

/** Downloads with many clients, in `processes` processes. @throws when an answer was wrong or short. */
export async function download(order: Order, processes = 1): Promise<Downloads> {
  const share = { ...order, clients: Math.ceil(order.clients / processes) }
  const all = await Promise.all(Array.from({ length: processes }, () => downloadIn(share)))
  const problems = all.flatMap((one) => one.problems)
  if (problems.length > 0) throw new Error(`${problems.length} problems, among them ${problems[0]}`)
  return {
    seconds: Math.max(...all.map(({ seconds }) => seconds)),
    firsts: all.flatMap(({ firsts }) => firsts),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    received: all.flatMap(({ received }) => received),
    problems,
  }
}

async function downloadIn(order: Order): Promise<Downloads> {
  await using program = start(process.execPath, [SCRIPT, JSON.stringify(order)])
  const code = await program.exited
  const line = program.lines.find((one) => one.startsWith('{'))
  if (line === undefined) throw new Error(`downloader: ended with ${code}\n${program.lines.join('\n')}`)
  return JSON.parse(line) as Downloads
}
