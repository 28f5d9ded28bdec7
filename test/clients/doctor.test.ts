/** What is wrong with the clients of a machine: nothing on a healthy one, and each planted mistake with its fix. */
import assert from 'node:assert/strict'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import type { CacheForClients } from '../../src/clients/client-setup.ts'
import { parseClientVersion } from '../../src/clients/client-version.ts'
import { diagnose, type DiagnoseOptions } from '../../src/clients/doctor/diagnose.ts'
import type { Finding } from '../../src/clients/doctor/finding.ts'
import type { Probe } from '../../src/clients/doctor/judge-mirror.ts'
import { type Machine, machineAt } from '../../src/clients/doctor/machine.ts'
import { CLIENTS } from '../../src/clients/setups.ts'
import { tempFolder } from '../support/temp-folder.ts'

const cache: CacheForClients = {
  url: new URL('http://cache:5000'),
  registries: ['docker.io', 'ghcr.io', 'registry.k8s.io'].map((name) => ({
    name,
    server: `https://${name}`,
    path: name,
  })),
}
const VERSIONS: Readonly<Record<string, string>> = { dockerd: '29.1.0', containerd: '2.2.0' }
const PROGRAMS = ['dockerd', 'containerd', 'k3s', 'podman', 'buildkitd']

type Files = Record<string, string>

/** The files that `entrepot setup` writes for each client. */
function healthy(of: CacheForClients = cache): Files {
  const files: Files = {}
  for (const [name, { setup, versionFrom }] of Object.entries(CLIENTS)) {
    const version = versionFrom && parseClientVersion(VERSIONS[versionFrom[0]]!)
    for (const { path, content } of setup(of, version).files) files[path] = content(undefined)
    assert.ok(name)
  }
  return files
}

function machineWith(files: Files, versions = VERSIONS, programs: readonly string[] = PROGRAMS): Machine {
  return {
    read: async (path) => files[path],
    list: async (folder) => {
      const below = Object.keys(files).filter((path) => path.startsWith(`${folder}/`))
      return [...new Set(below.map((path) => path.slice(folder.length + 1).split('/')[0]!))].toSorted()
    },
    hasProgram: async (name) => programs.includes(name),
    versionOf: async (program) => parseClientVersion(versions[program] ?? ''),
    unread: new Set(),
  }
}

const answers = (probe: Probe) => async (): Promise<Probe> => probe
const entrepot = answers({ kind: 'entrepot' })

interface Planted extends DiagnoseOptions {
  readonly versions: Readonly<Record<string, string>>
  readonly programs: readonly string[]
}

async function findings(
  files: Files,
  { versions = VERSIONS, probe = entrepot, images = [], programs = PROGRAMS }: Partial<Planted> = {},
): Promise<readonly Finding[]> {
  return (await diagnose(machineWith(files, versions, programs), { probe, images })).findings
}

function assertFound(found: readonly Finding[], client: string, problem: RegExp, fix: RegExp): void {
  const one = found.find((finding) => finding.client === client && problem.test(finding.problem))
  assert.ok(one, JSON.stringify(found, undefined, 2))
  assert.match(one.fix, fix)
}

suite('a healthy machine', () => {
  test('has no findings, with every client that setup wrote for', async () => {
    const { clients, mirrors, findings } = await diagnose(machineWith(healthy()), {
      probe: entrepot,
      images: ['alpine', 'ghcr.io/org/app:1', 'cache:5000/quay.io/org/app'],
    })
    assert.deepEqual(findings, [])
    assert.deepEqual(clients, ['docker', 'containerd', 'k3s', 'podman', 'buildkit'])
    assert.deepEqual(mirrors, ['http://cache:5000'])
  })

  test('with TLS, each mirror is asked with the authority of its client', async () => {
    const asked = new Map<string, number>()
    const secure = { ...cache, url: new URL('https://cache'), ca: 'PEM' }
    const found = await findings(healthy(secure), {
      probe: async (url, authority) => {
        if (authority === 'PEM') asked.set(url, (asked.get(url) ?? 0) + 1)
        return { kind: 'entrepot' } as const
      },
    })
    assert.deepEqual(found, [])
    assert.deepEqual([...asked], [['https://cache', 5]])
  })

  test('of no client at all, nothing is said to be well', async () => {
    const { clients } = await diagnose(machineWith({}, {}, []), { probe: entrepot, images: [] })
    assert.deepEqual(clients, [])
  })

  test("the containerd of Docker's package pulls nothing", async () => {
    const files = { ...healthy(), '/etc/containerd/config.toml': 'disabled_plugins = ["cri"]\n' }
    const { clients } = await diagnose(machineWith(files), { probe: entrepot, images: [] })
    assert.ok(!clients.includes('containerd'))
  })
})

suite('a planted mistake', () => {
  const CONFIG = '/etc/containerd/config.toml'
  const DEFAULT = '/etc/containerd/certs.d/_default/hosts.toml'

  test('no config_path', async () => {
    const files = { ...healthy(), [CONFIG]: 'version = 3\n' }
    assertFound(
      await findings(files),
      'containerd',
      /has no config_path/,
      /entrepot setup containerd --write/,
    )
  })

  test('a client without any mirror', async () => {
    const found = await findings({})
    for (const client of ['docker', 'k3s', 'podman', 'buildkit'])
      assertFound(found, client, /has no /, new RegExp(`entrepot setup ${client} --write`))
  })

  test('a mirror that is down', async () => {
    const down = answers({ kind: 'down', reason: 'ECONNREFUSED' })
    const found = await findings(healthy(), { probe: down })
    assert.equal(found.length, PROGRAMS.length)
    assertFound(found, 'docker', /http:\/\/cache:5000, which does not answer: ECONNREFUSED/, /entrepot serve/)
  })

  test('FR-22: mirrors for other registries, which an older Docker does not read', async () => {
    const found = await findings(healthy(), { versions: { ...VERSIONS, dockerd: '20.10.24' } })
    assertFound(found, 'docker', /is not read by Docker 20\.10/, /CACHE\/ghcr\.io/)
    assert.equal(found.length, 1)
  })

  test('FR-22: an image of another registry, for an older Docker', async () => {
    const files = { '/etc/docker/daemon.json': healthy()['/etc/docker/daemon.json']! }
    const found = await findings(files, {
      versions: { dockerd: '20.10.24' },
      programs: ['dockerd'],
      images: ['ghcr.io/org/app', 'node:20'],
    })
    assert.equal(found.length, 1)
    assert.equal(found[0]!.where, 'ghcr.io/org/app')
  })

  test("a client's own credentials", async () => {
    const auths = { 'https://index.docker.io/v1/': { auth: 'eA==' }, 'other.example': { auth: 'eA==' } }
    const files = { ...healthy(), '/home/ann/.docker/config.json': JSON.stringify({ auths }) }
    const found = await findings(files)
    assert.equal(found.length, 1)
    assertFound(found, 'credentials', /for docker\.io/, /upstreams\.docker\.io\.username/)
    assert.doesNotMatch(JSON.stringify(found), /eA==/)
  })

  test('TLS where the cache speaks plain HTTP, and the other way round', async () => {
    const secure = { ...cache, url: new URL('https://cache:5000') }
    const plain = await findings(healthy(secure), { probe: answers({ kind: 'plain' }) })
    assertFound(plain, 'podman', /speaks TLS to cache:5000/, /insecure = true/)
    assertFound(plain, 'containerd', /speaks TLS to cache:5000/, /--registry http:\/\/cache:5000 --write/)
    const tls = await findings(healthy(), { probe: answers({ kind: 'tls' }) })
    assertFound(tls, 'docker', /speaks plain HTTP to cache:5000/, /--registry https:\/\/cache:5000 --write/)
    // With insecure = true it tries both.
    assert.ok(!tls.some(({ client }) => client === 'podman'))
  })

  test('a certificate that the client does not know, and a mirror that is something else', async () => {
    const secure = { ...cache, url: new URL('https://cache') }
    const unknown = await findings(healthy(secure), { probe: answers({ kind: 'untrusted', reason: 'self' }) })
    assertFound(unknown, 'k3s', /does not trust the certificate/, /--ca FILE/)
    const other = await findings(healthy(), { probe: answers({ kind: 'other', status: 404 }) })
    assertFound(other, 'buildkit', /is not Entrepot: it answers 404/, /entrepot setup buildkit/)
  })

  test('an image pinned to a registry without an entry', async () => {
    const files = healthy()
    delete files[DEFAULT]
    files[CONFIG] +=
      '\n[plugins."io.containerd.cri.v1.images".pinned_images]\nsandbox = "quay.io/org/pause:3"\n'
    files['/etc/kubernetes/manifests/dns.yaml'] =
      'spec:\n  containers:\n    - image: "mirror.example/dns:1"\n    - name: x\n      image: ghcr.io/org/app\n'
    const found = (await findings(files)).filter(({ client }) => client === 'containerd')
    assert.equal(found.length, 2)
    assertFound(
      found,
      'containerd',
      /quay\.io\/org\/pause:3, which is of quay\.io/,
      /add the upstream quay\.io/,
    )
    assertFound(found, 'containerd', /mirror\.example/, /add the upstream mirror\.example/)
  })

  test('FR-22: two folders in config_path, which hide _default', async () => {
    const files = healthy()
    files[CONFIG] = files[CONFIG]!.replace('certs.d"', 'certs.d:/etc/docker/certs.d"')
    assertFound(await findings(files), 'containerd', /names 2 folders in config_path/, /it names one/)
  })

  test('FR-22: a capability that an older containerd refuses the file for', async () => {
    const found = await findings(healthy(), { versions: { ...VERSIONS, containerd: '2.1.0' } })
    assertFound(found, 'containerd', /capability referrers, for which containerd 2\.1 refuses/, /take it out/)
  })

  test('tags that the mirror may not resolve, mirrors beside config_path, and files that are malformed', async () => {
    const files = healthy()
    files[DEFAULT] = '[host."http://cache:5000"]\ncapabilities = ["pull"]\n'
    files[CONFIG] +=
      '[plugins."io.containerd.cri.v1.images".registry.mirrors."docker.io"]\nendpoint = ["http://x"]\n'
    files['/etc/docker/daemon.json'] = '{'
    files['/etc/rancher/k3s/registries.yaml'] = 'mirrors: ['
    files['/etc/buildkit/buildkitd.toml'] = '= ='
    files['/etc/containers/registries.conf'] = '= ='
    const found = await findings(files)
    assertFound(found, 'containerd', /lets the mirror resolve no tags/, /"resolve"/)
    assertFound(found, 'containerd', /registry\.mirrors beside config_path/, /remove/)
    assertFound(found, 'docker', /is not a JSON object/, /repair/)
    assertFound(found, 'k3s', /is not YAML/, /entrepot setup k3s/)
    assertFound(found, 'buildkit', /is not TOML/, /entrepot setup buildkit/)
    assertFound(found, 'podman', /is not TOML/, /repair/)
  })
})

test('files that this user may not read are named, and all others are checked', async () => {
  await using folder = await tempFolder()
  await chmod(folder.path, 0o755)
  const closed = '/home/ann/.docker/config.json'
  for (const [path, content] of Object.entries({ ...healthy(), '/usr/bin/dockerd': '', [closed]: '{}' })) {
    await mkdir(join(folder.path, dirname(path)), { recursive: true })
    await writeFile(join(folder.path, path), content)
  }
  await chmod(join(folder.path, closed), 0)
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid!(65534)
  try {
    const machine = machineAt(folder.path, async () => undefined)
    const { clients, unread } = await diagnose(machine, { probe: entrepot, images: [] })
    assert.ok(clients.includes('docker'))
    assert.deepEqual(unread, [closed])
  } finally {
    if (isRoot) process.seteuid!(0)
  }
})
