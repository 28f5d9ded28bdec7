import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imagesIn } from '../../../src/cli/images/read-images.ts'

const named = async (path: string, text: string, env: Record<string, string> = {}) => {
  const { kind, images, problems } = await imagesIn(path, text, env)
  return {
    kind,
    images: images.map(({ image, platforms }) => [image, ...(platforms ?? [])].join(' ')),
    problems,
  }
}

test('a list has one image a line, with its platforms', async () => {
  const text = '# base\nnode:20\n\nghcr.io/org/app@sha256:00 linux/arm64 # why\r\nalpine not,a,platform\n'
  assert.deepEqual(await named('images.txt', text), {
    kind: 'list',
    images: ['node:20', 'ghcr.io/org/app@sha256:00 linux/arm64'],
    problems: ['line 5 is no image: alpine not,a,platform'],
  })
})

test('a lock file is JSON, or a line for each image', async () => {
  const images = [
    { name: 'docker.io/library/node', tag: '20', digest: 'sha256:aa', platform: 'linux/amd64' },
    { image: 'redis:7' },
    'alpine:3',
    {},
  ]
  const expected = ['docker.io/library/node:20@sha256:aa linux/amd64', 'redis:7', 'alpine:3']
  for (const text of [JSON.stringify({ run: '7', images }), JSON.stringify(images)]) {
    assert.deepEqual(await named('run.lock', text), {
      kind: 'lock',
      images: expected,
      problems: ['entry 4 names no image'],
    })
  }
  // As `GET runs/<id>` and `entrepot run --lock` have it.
  const run = {
    run: '7',
    images: [{ image: 'node:20', digest: 'sha256:aa', platforms: ['linux/amd64', 'linux/arm64'] }],
  }
  assert.deepEqual((await named('-', JSON.stringify(run))).images, [
    'node:20@sha256:aa linux/amd64 linux/arm64',
  ])
  assert.deepEqual((await named('-', '# run 7\nnode:20@sha256:aa linux/amd64,linux/arm64\n')).images, [
    'node:20@sha256:aa linux/amd64 linux/arm64',
  ])
  assert.deepEqual((await named('images.lock', 'node:20@sha256:aa\n')).images, ['node:20@sha256:aa'])
})

test('a compose file: images of services, with variables and platforms', async () => {
  const text = `
x-default: &default { platform: linux/amd64 }
services:
  web: { <<: *default, image: 'nginx:\${TAG:-1.27}' }
  db: { image: 'postgres:$PG' }
  own: { image: example/own, build: . }
  missing: { image: 'redis:\${REDIS}' }
  built: { build: . }
`
  assert.deepEqual(await named('compose.yaml', text, { PG: '16' }), {
    kind: 'compose',
    images: ['nginx:1.27 linux/amd64', 'postgres:16'],
    problems: [
      'service own: example/own is built, not pulled',
      'service missing: the variable REDIS is not set',
    ],
  })
})

test('Kubernetes manifests: every image, wherever it is', async () => {
  const text = `
apiVersion: batch/v1
kind: CronJob
spec: { jobTemplate: { spec: { template: { spec: {
  initContainers: [{ image: busybox:1 }],
  containers: [{ image: 'registry.k8s.io/pause:3.10' }, { name: none }],
  volumes: [{ name: v, image: { reference: 'quay.io/org/data:1' } }] } } } } }
---
# empty
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
spec: { image: quay.io/prometheus/prometheus:v3 }
`
  assert.deepEqual(await named('all.yml', text), {
    kind: 'Kubernetes',
    images: [
      'busybox:1',
      'registry.k8s.io/pause:3.10',
      'quay.io/org/data:1',
      'quay.io/prometheus/prometheus:v3',
    ],
    problems: [],
  })
})

test('a Dockerfile: stages, copies, mounts and its syntax', async () => {
  const text = `# syntax=docker/dockerfile:1
ARG NODE=20
ARG BASE
FROM --platform=linux/amd64 node:\${NODE}-alpine AS build
COPY --from=busybox:1.36 /bin/sh /sh
RUN --mount=type=bind,from=golang:1.22,target=/x \\
    --mount=type=cache,target=/y echo hi
FROM \${BASE}
FROM \${OTHER:-debian:12}
FROM build AS last
COPY --from=build /a /b
COPY --from=0 /a /b
FROM scratch
`
  const expected = {
    kind: 'Dockerfile',
    images: ['docker/dockerfile:1', 'node:20-alpine linux/amd64', 'busybox:1.36', 'golang:1.22', 'debian:12'],
    problems: ['line 8: the argument BASE of ${BASE} has no default'],
  }
  assert.deepEqual(await named('Dockerfile.ci', text), expected)
  assert.deepEqual(await named('-', text), expected)
})

test('what a template merges into a service is the service, in a list of merged ones too', async () => {
  const text = `
x-node: &node { image: 'node:20', platform: linux/arm64 }
x-other: &other { image: redis }
services:
  merged: { <<: *node }
  own: { <<: [*node, *other], image: alpine }
`
  assert.deepEqual((await named('compose.yaml', text)).images, ['node:20 linux/arm64', 'alpine linux/arm64'])
})

test('compose files and manifests may be JSON', async () => {
  const compose = JSON.stringify({ services: { web: { image: 'nginx' } } })
  assert.deepEqual(await named('compose.json', compose), { kind: 'compose', images: ['nginx'], problems: [] })
  const pod = JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [{ spec: { containers: [{ image: 'nginx' }] } }],
  })
  assert.deepEqual(await named('-', pod), { kind: 'Kubernetes', images: ['nginx'], problems: [] })
})

test('a file that is YAML by its name and is none is refused, and no list', async () => {
  const text = 'services:\n  web: { image: nginx }\n\tbad\n'
  await assert.rejects(named('deploy/compose.yml', text), /is no YAML: .+ at line 3/)
})
