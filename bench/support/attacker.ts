/**
 * A client that costs as much as it can, in a process of its own: `node attacker.ts <url of the proxy> <attack>
 * <seconds>`. Says how many of its requests ended, as a line of JSON.
 */
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const [url = '', name = '', seconds = ''] = process.argv.slice(2)
/** An address of this machine that the other client does not have. */
const agent = new Agent({ keepAlive: true, localAddress: '127.0.0.66' })
const end = performance.now() + Number(seconds) * 1000
/** Milliseconds after which it drops a request. It waits for what trickles as long as it can. */
const ATTEMPT_LASTS = name === 'SEC-80' ? Infinity : 10_000
let requests = 0
let turn = 0

const digest = (number: number) => `sha256:${String(number).padStart(64, '0')}`

/** Each is one round, and how many of them run at once. */
const ATTACKS: Readonly<
  Record<string, { readonly lanes: number; readonly round: (n: number) => Promise<void> }>
> = {
  'SEC-70': {
    lanes: 1,
    async round(n) {
      await ask(`hostile/huge/manifests/n${n}`)
      await ask(`hostile/huge/blobs/${digest(n)}`)
    },
  },
  'SEC-71': {
    lanes: 1,
    async round(n) {
      await ask(`hostile/many/tags/list?n=10000&last=a${n}`)
      await ask(`hostile/many/referrers/${digest(1)}?artifactType=t${n}`)
    },
  },
  'SEC-72': {
    lanes: 8,
    async round(n) {
      await ask(n % 8 === 0 ? 'hostile/slow/tags/list' : `hostile/broken/manifests/n${n}`)
    },
  },
  'SEC-73': {
    lanes: 1,
    async round(n) {
      const path = [
        `hostile/references/manifests/n${n}`,
        `hostile/nested/manifests/n${n}`,
        `hostile/long${n}/tags/list`,
      ][n % 3]!
      await ask(path)
      await sleep(100)
    },
  },
  'SEC-80': {
    lanes: 272,
    round: (n) => ask(`hostile/trickle/blobs/${digest(n)}`),
  },
}

const { lanes, round } = ATTACKS[name]!
await Promise.all(Array.from({ length: lanes }, run))
agent.destroy()
process.stdout.write(`${JSON.stringify({ requests })}\n`)

async function run(): Promise<void> {
  while (performance.now() < end) await round((turn += 1))
}

/** Whatever comes of it. */
function ask(path: string): Promise<void> {
  return new Promise<void>((resolve) => {
    const request = get(
      `${url}/v2/${path}`,
      { agent },
      (response) => void response.resume().once('close', resolve),
    )
    request.once('error', () => resolve()).once('close', resolve)
    const timer = setTimeout(
      () => request.destroy(),
      Math.min(ATTEMPT_LASTS, Math.max(0, end - performance.now())),
    )
    request.once('close', () => clearTimeout(timer))
  }).then(async () => {
    requests += 1
    // An attacker that is refused at once, and asks again at once, would show how fast a loop is.
    await sleep(10)
  })
}
