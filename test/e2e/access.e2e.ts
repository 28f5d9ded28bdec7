/** Real clients and a proxy that is reached by TLS alone, by those with a certificate, or by those with a password. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { authority } from '../support/certificates.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { containerd } from './support/containerd.ts'
import { dockerd } from './support/dockerd.ts'
import { type Image, pushSmallImage } from './support/images.ts'
import { flags, missing, type Outcome, run } from './support/processes.ts'
import { type ProxyProcess, proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'

const USER = 'ci-7'
const PASSWORD = 'correct horse'
const BASIC = Buffer.from(`${USER}:${PASSWORD}`).toString('base64')

type Kind = 'TLS' | 'client certificate' | 'password'

interface Scene {
  /** For the client's files. */
  readonly folder: string
  readonly proxy: ProxyProcess
  readonly image: Image
  /** A folder as docker and podman have for each registry: ca.crt, client.cert and client.key where there is one. */
  readonly certificates: string
}

/** Pulls the image by way of the proxy, with what it has been given to get in: everything, or all but the one thing. */
type Pull = (scene: Scene, kind: Kind, isKnown: boolean) => Promise<Outcome>

const pullWithContainerd: Pull = async ({ folder, proxy, image, certificates }, kind, isKnown) => {
  const file = (name: string) => JSON.stringify(join(certificates, name))
  const toml = [
    `server = "https://registry-1.docker.io"`,
    `[host."https://${proxy.authority}"]`,
    `capabilities = ["pull", "resolve"]`,
    ...(kind === 'TLS' && !isKnown ? [] : [`ca = ${file('ca.crt')}`]),
    ...(kind === 'client certificate' && isKnown
      ? [`client = [[${file('client.cert')}, ${file('client.key')}]]`]
      : []),
    ...(kind === 'password' && isKnown
      ? [`[host."https://${proxy.authority}".header]`, `authorization = "Basic ${BASIC}"`]
      : []),
  ].join('\n')
  await using client = await containerd(folder, { hosts: { 'docker.io': toml } })
  const pull = ['content', 'fetch', '--hosts-dir', client.hosts]
  return await client.tryCtr(...pull, `docker.io/library/app:${image.tag}`)
}

const pullWithPodman: Pull = async ({ folder, proxy, image, certificates }, kind, isKnown) => {
  const registries = join(folder, 'registries.conf')
  const policy = join(folder, 'policy.json')
  const auths = join(folder, 'auth.json')
  const mirror = `[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "${proxy.authority}"\n`
  await writeFile(registries, mirror)
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  const known = kind === 'password' && isKnown ? { [proxy.authority]: { auth: BASIC } } : {}
  await writeFile(auths, JSON.stringify({ auths: known }))
  const store = flags({ root: join(folder, 'root'), runroot: join(folder, 'run'), 'storage-driver': 'vfs' })
  const how = flags({
    'signature-policy': policy,
    authfile: auths,
    ...((kind !== 'TLS' || isKnown) && { 'cert-dir': certificates }),
  })
  const env = {
    CONTAINERS_REGISTRIES_CONF: registries,
    TMPDIR: folder,
    HOME: folder,
    XDG_RUNTIME_DIR: folder,
  }
  return await run('podman', [...store, 'pull', '--quiet', ...how, `docker.io/library/app:${image.tag}`], env)
}

/**
 * Docker gives a mirror no other credentials than those for Docker Hub, so with a password the proxy is named itself. Whatever is
 * at 127.0.0.0/8 it takes for an insecure registry, for which it reads no certificates, and an image cannot be named by [::1].
 */
const pullWithDocker: Pull = async ({ folder, proxy, image, certificates }, kind, isKnown) => {
  const authority = kind === 'password' ? proxy.authority : proxy.authority.replace('127.0.0.1', '[::1]')
  const mirrors = kind === 'password' ? [] : [`https://${authority}`]
  const daemonJson = JSON.stringify({ 'registry-mirrors': mirrors })
  const certsFolder = join(folder, 'docker-certs.d')
  await mkdir(certsFolder)
  const known = kind === 'TLS' && !isKnown ? await emptyFolder(folder) : certificates
  const { code } = await run('cp', ['-r', known, join(certsFolder, authority)])
  assert.equal(code, 0)
  await using daemon = await dockerd(folder, daemonJson, { certificates: certsFolder })
  if (kind !== 'password') return await daemon.tryDocker('pull', `library/app:${image.tag}`)
  const password = isKnown ? PASSWORD : `${PASSWORD}?`
  const login = await daemon.tryDocker('login', '--username', USER, '--password', password, authority)
  if (login.code !== 0) return login
  return await daemon.tryDocker('pull', `${authority}/library/app:${image.tag}`)
}

async function emptyFolder(folder: string): Promise<string> {
  const path = join(folder, 'empty')
  await mkdir(path)
  return path
}

const CLIENTS: Readonly<Record<string, { readonly programs: readonly string[]; readonly pull: Pull }>> = {
  containerd: { programs: ['containerd', 'ctr'], pull: pullWithContainerd },
  podman: { programs: ['podman'], pull: pullWithPodman },
  dockerd: { programs: ['dockerd', 'docker', 'containerd', 'cp'], pull: pullWithDocker },
}

for (const [name, { programs, pull }] of Object.entries(CLIENTS)) {
  suite(`${name} and a proxy`, { skip: missing('docker-registry', 'openssl', ...programs) }, () => {
    for (const kind of ['TLS', 'client certificate', 'password'] as const) {
      test(`that is reached with a ${kind}`, async () => {
        await using folder = await tempFolder()
        await using upstream = await realRegistry(join(folder.path, 'upstream'))
        const image = await pushSmallImage('access', upstream.url)
        const ca = authority('Entrepot e2e')
        const { cert, key } = ca.server()
        const client = ca.client(`/CN=${USER}`)
        const of = (...names: readonly string[]) => join(folder.path, ...names)
        for (const each of ['known', 'unknown', 'certificates', 'bare']) await mkdir(of(each))
        const files = {
          'tls.crt': cert,
          'tls.key': key,
          'ca.crt': ca.cert,
          users: `${USER}:${hashSync(PASSWORD, 6)}\n`,
          'bare/ca.crt': ca.cert,
          'certificates/ca.crt': ca.cert,
          ...(kind === 'client certificate' && {
            'certificates/client.cert': client.cert,
            'certificates/client.key': client.key,
          }),
        }
        for (const [path, text] of Object.entries(files)) await writeFile(of(path), text)
        const clientCa = kind === 'client certificate' ? { clientCa: of('ca.crt') } : {}
        await using proxy = await proxyProcess(of('proxy'), upstream.url, {
          listen: {
            host: '::',
            port: 0,
            tls: { cert: of('tls.crt'), key: of('tls.key'), ...clientCa },
          },
          ...(kind === 'password' && { access: { htpasswd: of('users') } }),
        })
        const scene = { proxy, image }

        await upstream.forget()
        const stranger = { ...scene, folder: of('unknown'), certificates: of('bare') }
        const refused = await pull(stranger, kind, false)
        assert.notEqual(refused.code, 0, refused.stdout)
        assert.deepEqual(await upstream.requests(), [])
        const done = await pull(
          { ...scene, folder: of('known'), certificates: of('certificates') },
          kind,
          true,
        )
        assert.equal(done.code, 0, done.stderr)
        const blobs = (await upstream.requests()).filter(({ path }) => path.includes('/blobs/'))
        assert.ok(blobs.length >= 2, 'the layers did not come by way of the proxy')
      })
    }
  })
}
