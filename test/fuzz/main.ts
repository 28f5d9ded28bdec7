/**
 * Requests that nobody should send, on sockets, to the whole proxy in a process of its own:
 * `npm run fuzz -- --requests 100000 [--seed 7]`. Recorded requests of real clients with a few bytes wrong, and what fast-check
 * makes up, one to four on a connection, then a sound one that ends it. Exits 1 when the proxy ended, answered 5xx, said or asked
 * what it never does, left a connection open, opened a file that is none of its own, or dialled a host that is not configured.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { hashSync } from 'bcryptjs'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { proxyProcess } from '../e2e/support/proxy-process.ts'
import { type Random, seededRandom } from '../support/seeded-random.ts'
import { vitalsOf } from '../soak/vitals.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { hostileRequests } from './hostile.ts'
import { wrongInAnswer, wrongUpstream } from './judge.ts'
import { mutated } from './mutate.ts'
import { recordings } from './recordings.ts'
import { exchange, responsesIn } from './wire.ts'

const { values } = parseArgs({ options: { requests: { type: 'string' }, seed: { type: 'string' } } })
const total = Number(values.requests ?? 30_000)
const seed = Number(values.seed ?? Date.now() % 100_000)

const LANES = 48
/** Descriptors beyond those at the start that may be left: kept connections to upstream. */
const SPARE_DESCRIPTORS = 32
/** Node looks up addresses too, prom-client looks at its process, and the store at which start of the machine this is. */
const HARMLESS = new Set(
  [
    'looked up "127.0.0.1"',
    'opened "/proc/self/limits"',
    'opened "/proc/sys/kernel/random/boot_id"',
    'opened "/proc/uptime"',
  ].map((what) => `witness: ${what}`),
)
const LAST = 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

const violations: string[] = []
const violated = (what: string) => {
  violations.push(what)
  if (violations.length <= 20) process.stderr.write(`VIOLATION ${what}\n`)
}

await using folder = await tempFolder()
await using upstream = await fakeUpstream()
const { bytes, digest: blob } = blobOf(20_000)
upstream.addBlob(bytes)
const { digest: manifest } = upstream.addManifest('library/app', 'latest', manifestOf([bytes]), OCI_MANIFEST)
await writeFile(join(folder.path, 'users'), `ci-7:${hashSync('secret', 4)}\n`)
await using proxy = await proxyProcess(
  folder.path,
  upstream.url,
  {
    access: {
      networks: ['127.0.0.0/8', '10.0.0.0/8'],
      trustedProxies: ['127.0.0.1'],
      htpasswd: 'users',
      rules: [{ identity: 'ci-*', repositories: ['**'] }, { repositories: ['docker.io/**'] }],
    },
  },
  { preload: fileURLToPath(new URL('witness.ts', import.meta.url)) },
)
const port = Number(new URL(proxy.url).port)
const authority = new URL(upstream.url).host
const { program } = proxy
let over = false
void program.exited.then(
  (code) => over || violated(`the proxy ended with ${code}\n${program.lines.slice(-5).join('\n')}`),
)

const samples = recordings({ manifest, blob })
const statuses = new Map<number, number>()
/** Requests that were answered, those that end a connection not counted. */
let answered = 0
const invented = hostileRequests(Math.ceil(total / 3), seed)
let conversations = 0

for (const sample of samples) await converse([sample])
const first = await vitalsOf(program.pid)
const begun = performance.now()
await Promise.all(Array.from({ length: LANES }, work))
await settled()
over = true
report(await vitalsOf(program.pid))

async function work(): Promise<void> {
  while (answered < total && violations.length < 100) {
    // Each has a source of its own, so that the same seed makes the same requests in whatever order they are answered.
    const random = seededRandom(seed * 10_000_019 + conversations++)
    await converse(Array.from({ length: 1 + random.below(4) }, () => nextRequest(random)))
  }
}

function nextRequest(random: Random): string {
  switch (random.below(8)) {
    case 0:
      return random.pick(samples)
    case 1:
    case 2:
      return random.pick(invented)
    default:
      return mutated(random.pick(samples), random.pick(samples), random)
  }
}

async function converse(requests: readonly string[]): Promise<void> {
  const text = requests.join('') + LAST
  const wrong = (what: string) => violated(`${what}\n    after ${JSON.stringify(text.slice(0, 4000))}`)
  try {
    const responses = responsesIn(await exchange(port, Buffer.from(text, 'latin1')))
    answered += Math.min(responses.length, requests.length)
    if (responses.length > requests.length + 20) wrong(`${responses.length} answers`)
    for (const response of responses) {
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
      const what = wrongInAnswer(response)
      if (what !== undefined) wrong(what)
    }
  } catch (error) {
    wrong((error as Error).message)
  }
  for (const request of upstream.requests.splice(0)) {
    const what = wrongUpstream(request, authority)
    if (what !== undefined) wrong(`upstream was asked ${what}`)
  }
}

/** What it saw and said, and what it has let go. */
async function settled(): Promise<void> {
  const expected = new Set(['opened the store', `dialled ${authority}`].map((what) => `witness: ${what}`))
  const seen = program.lines.filter((line) => line.startsWith('witness: '))
  for (const line of seen) if (!expected.has(line) && !HARMLESS.has(line)) violated(line)
  for (const line of expected) if (!seen.includes(line)) violated(`never seen: ${line}`)
  for (const line of program.lines) {
    if (!line.startsWith('{') && !line.startsWith('witness: ')) violated(`it said ${line.slice(0, 300)}`)
    else if (line.startsWith('{"level":50')) violated(`it logged ${line.slice(0, 1000)}`)
  }
  const most = first.descriptors + SPARE_DESCRIPTORS
  await eventually(async () => (await vitalsOf(program.pid)).descriptors <= most, 20_000).catch(
    (error: Error) => violated(`descriptors are left: ${error.message}`),
  )
  const answer = await fetch(`${proxy.url}/v2/library/app/blobs/${blob}`)
  if (!Buffer.from(await answer.arrayBuffer()).equals(bytes)) violated('it no longer serves')
}

function report(last: Awaited<ReturnType<typeof vitalsOf>>): void {
  const seconds = (performance.now() - begun) / 1000
  const counts = [...statuses].toSorted(([a], [b]) => a - b).map(([status, count]) => `${status} ${count}`)
  const out = [
    `fuzz: ${answered} requests in ${Math.round(seconds)} s, seed ${seed}, Node ${process.version}`,
    `answers: ${counts.join(', ')}`,
    `memory: ${first.memory} MiB at the start, ${last.memory} at the end; descriptors: ${first.descriptors} and ${last.descriptors}`,
    violations.length === 0 ? 'no violation' : `${violations.length} VIOLATIONS`,
  ]
  process.stdout.write(`${out.join('\n')}\n`)
  if (violations.length > 0) process.exitCode = 1
}
