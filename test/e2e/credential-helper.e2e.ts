/** A proxy that has its credentials from a helper, which is a shell script. */
import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { tokenRegistry, USER } from './support/guarded-registry.ts'
import { insist, missing } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { refusalIn } from './support/refusals.ts'
import { pullWithSkopeo } from './support/skopeo.ts'

const PASSWORD = 'kept in a vault'
const GIVES = `printf '{"ServerURL":"x","Username":"${USER}","Secret":"${PASSWORD}"}'`

/** A registry, whose token server lets the anonymous in too, and a proxy that has this helper on its PATH. */
async function scene(script: string) {
  await using starting = new AsyncDisposableStack()
  const folder = starting.use(await tempFolder())
  const programs = join(folder.path, 'bin')
  await mkdir(programs)
  const file = (name: string) => join(folder.path, name)
  const setHelper = async (text: string) => {
    await writeFile(file('script'), `#!/bin/sh\necho run >>${file('runs')}\n${text}\n`)
    await chmod(file('script'), 0o755)
    await rename(file('script'), join(programs, 'docker-credential-vault'))
  }
  await setHelper(script)
  const options = { password: PASSWORD, layers: { count: 3, size: 20_000 } }
  const upstream = starting.use(await tokenRegistry(file('registry'), options))
  const { registry, tokenRealms, image, tokens } = upstream
  const proxy = starting.use(
    await proxyProcess(
      file('proxy'),
      registry.url,
      { upstreams: { 'docker.io': { url: registry.url, tokenRealms, credentialHelper: 'vault' } } },
      { env: { PATH: programs, HOME: folder.path } },
    ),
  )
  // A test that fails is not to leave behind what the proxy did.
  starting.defer(async () => {
    for (const pid of await pidsIn(file('pids'))) if (await isRunning(pid)) process.kill(pid, 'SIGKILL')
  })
  const running = starting.move()
  return {
    ...{ registry, proxy, tokens, setHelper },
    pull: () => pullWithSkopeo(folder.path, proxy.authority, image),
    ask: (signal?: AbortSignal) =>
      fetch(`${proxy.url}/v2/library/app/manifests/private`, signal && { signal }),
    read: (name: string) => readFile(file(name), 'utf8'),
    pids: () => pidsIn(file('pids')),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

const HANGS = 'echo $$ >>$HOME/pids; sleep 1000 & echo $! >>$HOME/pids; wait'

suite(
  'a docker-credential-* helper that',
  { skip: missing('docker-registry', 'skopeo', 'openssl'), concurrency: true },
  () => {
    test('gives credentials is told the server, and runs once for a pull', async () => {
      await using place = await scene(`cat >$HOME/stdin; echo "$*" >$HOME/args; ${GIVES}`)
      const { registry, proxy, tokens, pull, read } = place
      await (await pull()).assertWhole()
      assert.equal(await read('args'), 'get\n')
      assert.equal(await read('stdin'), `${registry.authority}\n`)
      assert.equal(await read('runs'), 'run\n')
      assert.deepEqual(new Set(tokens.requests.map(({ user }) => user)), new Set([USER]))
      assert.ok(proxy.program.lines.every((line) => !line.includes(PASSWORD)))
    })

    test('SEC-60 fails is named with the upstream, until it is mended', async () => {
      await using place = await scene(`echo "${PASSWORD}: sealed"; echo "${PASSWORD}: sealed" >&2; exit 1`)
      const { proxy, tokens, setHelper, pull, ask } = place
      assert.deepEqual(await refusalIn(await ask()), {
        status: 502,
        upstream: 'docker.io',
        reason: 'docker-credential-vault ended with 1',
      })
      assert.notEqual((await pull()).code, 0)
      assert.deepEqual(tokens.requests, [], 'it went there without its credentials')
      await setHelper(GIVES)
      await eventually(async () => (await ask()).ok, 25_000)
      await (await pull()).assertWhole()
      assert.ok(tokens.requests.every(({ user }) => user === USER))
      assert.ok(proxy.program.lines.every((line) => !line.includes(PASSWORD)))
    })

    test('hangs is given up after eight seconds, and nothing of it goes on', async () => {
      await using place = await scene(HANGS)
      const { tokens, ask, pids } = place
      const begun = performance.now()
      assert.deepEqual(await refusalIn(await ask()), {
        status: 502,
        upstream: 'docker.io',
        reason: 'docker-credential-vault took longer than 8 s',
      })
      assert.ok(performance.now() - begun < 12_000)
      assert.deepEqual(tokens.requests, [])
      assert.equal((await pids()).length, 2)
      await eventually(async () => !(await someRun(await pids())))
    })

    for (const code of [0, 1]) {
      const signals = code === 0 ? 'SIGTERM' : 'SIGTERM and SIGTERM'
      test(`hangs ends with the proxy, when that ends by ${signals}`, async () => {
        await using place = await scene(HANGS)
        const { proxy, ask, pids } = place
        const client = new AbortController()
        const asking = assert.rejects(ask(client.signal))
        await eventually(async () => (await pids()).length === 2)
        assert.equal(await someRun(await pids()), true)
        // The first signal lets those be answered who wait.
        if (code === 0) client.abort()
        const begun = performance.now()
        proxy.program.kill('SIGTERM')
        await proxy.program.line((line) => (line.includes('"stopping"') ? true : undefined))
        const ended = code === 0 ? proxy.program.exited : insist(proxy.program, 'SIGTERM')
        assert.equal(await ended, code)
        await asking
        await eventually(async () => !(await someRun(await pids())))
        assert.ok(performance.now() - begun < 6_000, 'it ended by itself')
      })
    }
  },
)

async function pidsIn(file: string): Promise<readonly number[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return ''
  })
  return text.split('\n').filter(Boolean).map(Number)
}

async function someRun(pids: readonly number[]): Promise<boolean> {
  const running = await Promise.all(pids.map(isRunning))
  return running.includes(true)
}

/** One that has ended and waits for its parent to hear of it does not run. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && !/\) Z /.test(stat)
}
