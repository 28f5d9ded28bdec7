/** What each client is told, as text: new files, files that were there, and twice. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parse as parseToml } from 'smol-toml'
import { parse as parseYaml } from 'yaml'
import type { CacheForClients, ClientSetup } from '../../src/clients/client-setup.ts'
import { parseClientVersion } from '../../src/clients/client-version.ts'
import { CLIENTS } from '../../src/clients/setups.ts'
import { setTomlKey } from '../../src/clients/toml-edit.ts'

const HUB = { name: 'docker.io', server: 'https://registry-1.docker.io', path: 'docker.io' }
const OWN = { name: 'own.internal:5443', server: 'https://own.internal:5443', path: undefined }
const cache: CacheForClients = { url: new URL('http://cache.internal:5000'), registries: [HUB] }
const secure: CacheForClients = { ...cache, url: new URL('https://cache.internal'), ca: 'PEM\n' }

function setUp(client: string, version?: string, options: Partial<CacheForClients> = {}): ClientSetup {
  const parsed = version === undefined ? undefined : parseClientVersion(version)
  return CLIENTS[client]!.setup({ ...cache, ...options }, parsed)
}

function texts({ files }: ClientSetup, current: Readonly<Record<string, string>> = {}): object {
  return Object.fromEntries(files.map(({ path, content }) => [path, content(current[path])]))
}

const HOSTS = `server = "https://registry-1.docker.io"

[host."http://cache.internal:5000"]
capabilities = ["pull", "resolve"]
`
const DAEMON = `{
  "registry-mirrors": [
    "http://cache.internal:5000"
  ],
  "insecure-registries": [
    "cache.internal:5000"
  ]
}
`
const DEFAULT = HOSTS.split('\n').slice(2).join('\n')
const withReferrers = (text: string) => text.replace('"resolve"', '"resolve", "referrers"')
const CONTAINERD_1 = `version = 2

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/etc/containerd/certs.d"
`
const CONTAINERD_2 = CONTAINERD_1.replace('version = 2', 'version = 3').replace(
  'grpc.v1.cri',
  'cri.v1.images',
)
const CERTS = '/etc/containerd/certs.d'

suite('FR-22: each client is told what its version understands', () => {
  const cases: readonly (readonly [client: string, version: string | undefined, files: object])[] = [
    ['docker', '20.10.24', { '/etc/docker/daemon.json': DAEMON }],
    [
      'docker',
      '29.0.1',
      { '/etc/docker/daemon.json': DAEMON, '/etc/docker/certs.d/docker.io/hosts.toml': HOSTS },
    ],
    [
      'docker',
      '29.1',
      { '/etc/docker/daemon.json': DAEMON, '/etc/docker/certs.d/docker.io/hosts.toml': withReferrers(HOSTS) },
    ],
    [
      'containerd',
      '1.6.20',
      {
        '/etc/containerd/config.toml': CONTAINERD_1,
        [`${CERTS}/docker.io/hosts.toml`]: HOSTS,
        [`${CERTS}/_default/hosts.toml`]: DEFAULT,
      },
    ],
    [
      'containerd',
      '2.1.9',
      {
        '/etc/containerd/config.toml': CONTAINERD_2,
        [`${CERTS}/docker.io/hosts.toml`]: HOSTS,
        [`${CERTS}/_default/hosts.toml`]: DEFAULT,
      },
    ],
    [
      'containerd',
      '2.2.0',
      {
        '/etc/containerd/config.toml': CONTAINERD_2,
        [`${CERTS}/docker.io/hosts.toml`]: withReferrers(HOSTS),
        [`${CERTS}/_default/hosts.toml`]: withReferrers(DEFAULT),
      },
    ],
    [
      'k3s',
      undefined,
      {
        '/etc/rancher/k3s/registries.yaml':
          'mirrors:\n  docker.io:\n    endpoint:\n      - http://cache.internal:5000\n',
      },
    ],
    [
      'buildkit',
      undefined,
      {
        '/etc/buildkit/buildkitd.toml':
          '[registry."docker.io"]\nmirrors = ["cache.internal:5000"]\n\n[registry."cache.internal:5000"]\nhttp = true\n',
      },
    ],
    ...['podman', 'crio'].map(
      (client) =>
        [
          client,
          undefined,
          {
            '/etc/containers/registries.conf.d/50-entrepot.conf': `[[registry]]
prefix = "docker.io"
location = "docker.io"

[[registry.mirror]]
location = "cache.internal:5000/docker.io"
insecure = true
`,
          },
        ] as const,
    ),
  ]
  for (const [client, version, files] of cases) {
    test(`FR-22: ${client} ${version ?? ''}`, () => {
      assert.deepEqual(texts(setUp(client, version)), files)
    })
  }

  test('of an unknown version, what every version reads', () => {
    const paths = setUp('docker').files.map(({ path }) => path)
    assert.deepEqual(paths, ['/etc/docker/daemon.json', '/etc/docker/certs.d/docker.io/hosts.toml'])
    assert.equal(Object.values(texts(setUp('containerd')))[0], CONTAINERD_1)
  })
})

suite('with TLS', () => {
  for (const client of Object.keys(CLIENTS)) {
    test(`${client} is given the authority, and no plain HTTP`, () => {
      const files = Object.entries(texts(setUp(client, undefined, secure))) as [string, string][]
      const authority = files.find(([, text]) => text === 'PEM\n')?.[0]
      assert.ok(authority, files.map(([path]) => path).join())
      const others = files.map(([, text]) => text).join('')
      assert.doesNotMatch(others, /insecure|http = true|http:/)
      // Docker and podman find it by its name.
      if (!/certs\.d/.test(authority)) assert.ok(others.includes(authority), others)
    })
  }
})

suite('what was there stays', () => {
  const PATHS: Readonly<Record<string, readonly [path: string, text: string]>> = {
    docker: ['/etc/docker/daemon.json', '{ "debug": true, "registry-mirrors": ["https://old.example"] }'],
    containerd: [
      '/etc/containerd/config.toml',
      `# ours
version = 2
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "registry.k8s.io/pause:3.9" # pinned
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "" # none
      [plugins."io.containerd.grpc.v1.cri".registry.headers]
        a = ["b"]
`,
    ],
    k3s: [
      '/etc/rancher/k3s/registries.yaml',
      '# ours\nmirrors:\n  docker.io:\n    endpoint: [https://old.example]\n  quay.io:\nconfigs: {}\n',
    ],
    buildkit: [
      '/etc/buildkit/buildkitd.toml',
      'debug = true # ours\n[registry."docker.io"]\n  mirrors = ["old.example"]\n  insecure = true\n[worker.oci]\n  gc = false\n',
    ],
  }
  const expected: Readonly<Record<string, string>> = {
    docker:
      '{"debug":true,"registry-mirrors":["http://cache.internal:5000","https://old.example"],"insecure-registries":["cache.internal:5000"]}',
    containerd: PATHS['containerd']![1].replace(
      'config_path = "" # none',
      'config_path = "/etc/containerd/certs.d"',
    ),
    k3s: '# ours\nmirrors:\n  docker.io:\n    endpoint:\n      - http://cache.internal:5000\n      - https://old.example\n  quay.io:\nconfigs: {}\n',
    buildkit: `${PATHS['buildkit']![1].replace('["old.example"]', '["cache.internal:5000","old.example"]')}
[registry."cache.internal:5000"]
http = true
`,
  }
  for (const [client, [path, text]] of Object.entries(PATHS)) {
    test(client, () => {
      const { content } = setUp(client).files.find((file) => file.path === path)!
      const once = content(text)
      const shown = client === 'docker' ? JSON.stringify(JSON.parse(once)) : once
      assert.equal(shown, expected[client])
      assert.equal(content(once), once)
    })
  }

  test('a new file, given again, is unchanged', () => {
    for (const client of Object.keys(CLIENTS)) {
      for (const { content, path } of setUp(client, undefined, secure).files) {
        const once = content(undefined)
        assert.equal(content(once), once, path)
      }
    }
  })

  test('every text is of its format', () => {
    for (const client of Object.keys(CLIENTS)) {
      for (const [path, text] of Object.entries(texts(setUp(client))) as [string, string][]) {
        if (/\.(?:toml|conf)$/.test(path)) parseToml(text)
        else if (path.endsWith('.json')) JSON.parse(text)
        else parseYaml(text)
      }
    }
  })
})

suite('what cannot be changed is said', () => {
  const containerd = (text: string) => () => setUp('containerd').files[0]!.content(text)

  test('a file that writes the table in another way', () => {
    const dotted = 'version = 2\nplugins."io.containerd.grpc.v1.cri".registry.config_path = "/other"\n'
    assert.throws(containerd(dotted), {
      message:
        '/etc/containerd/config.toml: set `config_path = "/etc/containerd/certs.d"` in ' +
        '[plugins."io.containerd.grpc.v1.cri".registry] by hand: the file writes it in another way',
    })
  })

  test('an old format, and what is none', () => {
    assert.throws(
      containerd('root = "/x"\n'),
      /the file has version = 1: run `containerd config migrate` first/,
    )
    assert.throws(containerd('version = = 2\n'), /config\.toml: is not TOML: /)
    assert.throws(() => setUp('docker').files[0]!.content('[1]'), /daemon\.json is not a JSON object/)
    assert.throws(() => setUp('k3s').files[0]!.content('a: [\n'), /registries\.yaml is not YAML: /)
  })

  test('a registry with a port has no name in a path: podman is told so, the others have it', () => {
    const registries = [HUB, OWN]
    const podman = setUp('podman', undefined, { registries })
    assert.match(podman.notes.join(), /own\.internal:5443 has a port/)
    assert.doesNotMatch(Object.values(texts(podman)).join(), /own\.internal/)
    assert.ok(`${CERTS}/own.internal:5443/hosts.toml` in texts(setUp('containerd', '1.7', { registries })))
  })
})

test('an array over several lines is not changed by halves', () => {
  const text = '[a]\nb = [\n  "x",\n]\n'
  assert.throws(() => setTomlKey(text, ['a'], 'b', ['y']), /by hand/)
  assert.equal(setTomlKey(text, ['a'], 'b', ['x']), text)
  assert.equal(setTomlKey(text, ['a'], 'c', true), '[a]\nc = true\nb = [\n  "x",\n]\n')
})

test('Docker is not sent to a cache that takes its names for those of another registry without a word', () => {
  const notes = (defaultRegistry?: string) => setUp('docker', '29.0', { defaultRegistry }).notes
  assert.deepEqual([notes(), notes('docker.io')], [[], []])
  assert.match(
    notes('ghcr.io').join(),
    /names without a registry for ghcr\.io.+set defaultUpstream: docker\.io/,
  )
})
