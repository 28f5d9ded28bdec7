import { createHash } from 'node:crypto'
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { inTurn } from '../support/in-turn.ts'
import { numberedBlobs } from '../support/numbered-blobs.ts'
import { type Add, ofOwn } from '../support/report.ts'
import { entrepotSystem, peers } from '../support/systems.ts'

const ROUNDS = 3
const BLOBS = 500
const SIZE = 64 * 1024
const CONNECTIONS = 16
/** Milliseconds. */
const SETTLE = 1_500

/** Many small blobs which nobody had, other ones in each round. */
export async function smallCold(add: Add): Promise<void> {
  await using folder = await tempFolder()
  await using upstream = await numberedBlobs((ROUNDS + 1) * BLOBS, SIZE)
  await using stack = new AsyncDisposableStack()
  const systems = [
    stack.use(await entrepotSystem(`${folder.path}/entrepot`, upstream.url)),
    ...(await peers(folder.path, upstream.url)).map((peer) => stack.use(peer)),
  ]
  const measured = await inTurn(systems, ROUNDS, async ({ url, cpu }, round) => {
    const { requests } = await upstream.settled()
    const before = await cpu()
    const seconds = await pullAll(url, upstream.paths.slice(round * BLOBS, (round + 1) * BLOBS))
    // What is left to do after the last answer counts too.
    await sleep(SETTLE)
    return {
      perSecond: BLOBS / seconds,
      cpu: ((await cpu()) - before) / BLOBS,
      requests: (await upstream.settled()).requests - requests,
    }
  })
  const what = `${BLOBS} cold blobs of 64 KiB, ${CONNECTIONS} connections`
  for (const [{ name }, values] of measured) {
    const of = (key: keyof (typeof values)[number]) => values.map((value) => value[key])
    add(what, name, of('perSecond'), '/s')
    const cost = of('cpu').map((seconds) => seconds * 1000)
    add(`${what}: server CPU of each`, name, cost, 'ms', ofOwn(name, { most: 2.5 }))
    add(`${what}: upstream requests`, name, of('requests'), '', ofOwn(name, { most: BLOBS }))
  }
}

/** @returns seconds @throws when a byte is wrong */
async function pullAll(url: string, paths: readonly string[]): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const begun = performance.now()
  await Promise.all(paths.map((path) => pull(agent, url + path)))
  const seconds = (performance.now() - begun) / 1000
  agent.destroy()
  return seconds
}

function pull(agent: Agent, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      const hash = createHash('sha256')
      response.on('data', (chunk: Buffer) => hash.update(chunk))
      response.once('error', reject).once('end', () => {
        if (url.endsWith(hash.digest('hex'))) resolve()
        else reject(new Error(`${url}: ${response.statusCode}, and not these bytes`))
      })
    })
    request.once('error', reject)
  })
}
