import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { buildUpstreams, type Upstreams } from '../../../src/compose/upstreams/upstreams.ts'
import { loopGuard } from '../../../src/util/loop-guard.ts'
import { load } from '../../config/folder.ts'
import { failureOf } from '../setup.ts'

export interface Opened {
  readonly upstreams: Upstreams
  /** Asks for the tag `v1` of `app`. */
  pull(): Promise<unknown>
  /** What was logged. */
  readonly lines: readonly string[]
}

/** The only upstream of a configuration, with the environment of its platform. */
export async function open(
  t: TestContext,
  host: string,
  credentials: string,
  env: NodeJS.ProcessEnv,
): Promise<Opened> {
  const yaml = `publicUpstreams: false\nupstreams: { ${host}: { credentials: ${credentials} } }`
  const lines: string[] = []
  const upstreams = buildUpstreams(await load(t, yaml), {
    log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }),
    telemetry: { answered() {}, denied() {}, received() {}, rateLimit() {}, circuit() {}, credentials() {} },
    loops: loopGuard(),
    ownPorts: () => [],
    env,
  })
  t.after(() => upstreams[Symbol.asyncDispose]())
  return {
    upstreams,
    lines,
    pull: () => upstreams.byName.get(host)!.repository('app').resolve('v1'),
  }
}

/** Why there is no login, and what to do: the work has to fail for that. */
export async function reasonOf(work: Promise<unknown>): Promise<string> {
  const { code, detail } = await failureOf(work)
  assert.deepEqual(
    [code, detail['credentials']],
    ['UPSTREAM_UNAVAILABLE', 'unavailable'],
    JSON.stringify(detail),
  )
  return [detail['reason'], detail['advice']].filter((part) => part !== undefined).join(': ')
}
