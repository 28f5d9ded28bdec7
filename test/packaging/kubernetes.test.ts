/** The plain manifests and the values of the chart. What Helm makes of them is in test/e2e/helm.e2e.ts. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { runEntrepot } from '../support/child.ts'
import {
  type KubernetesDocument,
  kubernetesDocuments,
  kubernetesMistakes,
} from '../support/kubernetes-document.ts'
import { tempFolder } from '../support/temp-folder.ts'

const at = (path: string): string => fileURLToPath(new URL(`../../packaging/${path}`, import.meta.url))
const documents = kubernetesDocuments(readFileSync(at('kubernetes/entrepot.yaml'), 'utf8'))

interface Deployment extends KubernetesDocument {
  readonly spec: {
    replicas: unknown
    readonly strategy: object
    readonly template: { readonly spec: { containers: Record<string, unknown>[] } & Record<string, unknown> }
  }
}

function documentOf<T extends KubernetesDocument>(kind: string): T {
  return structuredClone(documents.find((document) => document.kind === kind)) as T
}

suite('the plain manifests', () => {
  test('are what Kubernetes knows, without a mistake', async () => {
    assert.deepEqual(
      documents.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      [
        'Namespace entrepot',
        'NetworkPolicy entrepot',
        'ConfigMap entrepot',
        'PersistentVolumeClaim entrepot',
        'Service entrepot',
        'Service entrepot-admin',
        'Deployment entrepot',
      ],
    )
    for (const document of documents) assert.deepEqual(await kubernetesMistakes(document), [], document.kind)
  })

  test('an unknown field and a wrong type are caught, at every depth', async () => {
    const misspelt = documentOf<Deployment>('Deployment')
    misspelt.spec.template.spec.containers[0]!['imagePullPolcy'] = 'Always'
    assert.deepEqual(await kubernetesMistakes(misspelt), [
      'spec.template.spec.containers.0.imagePullPolcy is not known',
    ])
    const mistyped = documentOf<Deployment>('Deployment')
    mistyped.spec.replicas = 'one'
    assert.match(String(await kubernetesMistakes(mistyped)), /spec\/replicas must be integer/)
    const deeper = documentOf<Deployment>('Deployment')
    deeper.spec.template.spec.containers[0]!['readinessProbe'] = { httpGet: { path: '/', port: {} } }
    assert.match(String(await kubernetesMistakes(deeper)), /readinessProbe\/httpGet\/port/)
    const top = { ...documentOf('Service'), specs: {} }
    assert.deepEqual(await kubernetesMistakes(top), ['specs is not known'])
    const monitor = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'ServiceMonitor',
      metadata: { name: 'a' },
      spec: { selector: {}, endpoints: [{ port: 'admin', intervall: '30s' }] },
    }
    assert.deepEqual(await kubernetesMistakes(monitor), ['spec.endpoints.0.intervall is not known'])
  })

  test('one process a store: the old pod ends before the new one begins', () => {
    const { spec } = documentOf<Deployment>('Deployment')
    assert.equal(spec.replicas, 1)
    assert.deepEqual(spec.strategy, { type: 'Recreate' })
    // Service links would be ENTREPOT_ADMIN_PORT=tcp://…, which is the name of a configuration key.
    assert.equal(spec.template.spec['enableServiceLinks'], false)
  })

  test('pass the restricted pod security standard, and do not get a token of the cluster', () => {
    const { spec } = documentOf<Deployment>('Deployment').spec.template
    assert.equal(spec['automountServiceAccountToken'], false)
    assert.deepEqual(
      { ...(spec['securityContext'] as object) },
      {
        runAsNonRoot: true,
        runAsUser: 65532,
        runAsGroup: 65532,
        fsGroup: 65532,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      },
    )
    assert.deepEqual(spec.containers[0]!['securityContext'], {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  })

  test('the configuration in them is valid', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'proxy.config.yaml')
    const { data } = documentOf<KubernetesDocument & { data: Record<string, string> }>('ConfigMap')
    await writeFile(file, data['proxy.config.yaml']!)
    const { code, stdout, stderr } = await runEntrepot('serve', '--check', '--config', file)
    assert.equal(code, 0, stderr)
    const { storage, shutdown } = parse(stdout) as Record<string, Record<string, string>>
    assert.equal(storage!['root'], '/data')
    const { spec } = documentOf<Deployment>('Deployment').spec.template
    const seconds = ['delay', 'grace'].map((key) => Number(/^(\d+)s$/.exec(shutdown![key]!)![1]))
    assert.ok(Number(spec['terminationGracePeriodSeconds']) > seconds[0]! + seconds[1]!)
  })
})

suite('the chart', () => {
  test('every value has a schema, and every key of the schema a value', () => {
    const values = parse(readFileSync(at('helm/entrepot/values.yaml'), 'utf8')) as object
    const schema = JSON.parse(readFileSync(at('helm/entrepot/values.schema.json'), 'utf8')) as Schema
    assert.deepEqual(keysOfSchema(schema), keysOfValues(values, schema))
  })

  test('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync(at('../package.json'), 'utf8')) as { version: string }
    const chart = parse(readFileSync(at('helm/entrepot/Chart.yaml'), 'utf8')) as Record<string, string>
    assert.deepEqual([chart['version'], chart['appVersion']], [version, version])
  })
})

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
}

/** Paths of all keys, sorted; `global` is Helm's, and resources are Kubernetes' own. */
function keysOfSchema({ properties = {} }: Schema): readonly string[] {
  const { global: _, ...own } = properties
  const keys = Object.keys(own)
  const below = Object.entries(own).map(([key, inner]) => keysOfSchema(inner).map((k) => `${key}.${k}`))
  return withoutResources(keys.concat(...below))
}

function keysOfValues(values: object, { properties = {} }: Schema): readonly string[] {
  const keys = Object.keys(values)
  const below = Object.entries(values).map(([key, value]) => {
    const inner = properties[key]
    if (inner?.properties === undefined) return []
    return keysOfValues(value as object, inner).map((k) => `${key}.${k}`)
  })
  return withoutResources(keys.concat(...below))
}

function withoutResources(keys: readonly string[]): readonly string[] {
  return keys.filter((key) => !key.startsWith('resources.')).toSorted()
}

suite('write-hosts-toml.sh', () => {
  const script = at('kubernetes/write-hosts-toml.sh')
  test('writes a file for each registry, the same every time', async () => {
    await using folder = await tempFolder()
    const env = { ...process.env, CERTS_D: folder.path }
    for (let run = 0; run < 2; run++) {
      execFileSync(script, ['http://10.43.0.50:5000', 'docker.io', 'ghcr.io'], { env })
      assert.deepEqual((await readdir(folder.path)).toSorted(), ['docker.io', 'ghcr.io'])
      for (const [registry, server] of [
        ['docker.io', 'registry-1.docker.io'],
        ['ghcr.io', 'ghcr.io'],
      ] as const) {
        assert.deepEqual(await readdir(join(folder.path, registry)), ['hosts.toml'])
        assert.equal(
          await readFile(join(folder.path, registry, 'hosts.toml'), 'utf8'),
          `server = "https://${server}"\n\n[host."http://10.43.0.50:5000"]\ncapabilities = ["pull", "resolve"]\n`,
        )
      }
    }
  })

  test('says how it is used when it is told too little', () => {
    const { status, stderr } = spawnSync(script, ['http://10.43.0.50:5000'], { encoding: 'utf8' })
    assert.equal(status, 64)
    assert.match(stderr, /^usage: /)
  })
})
