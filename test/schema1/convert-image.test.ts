import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import type { RegistryError } from '../../src/oci/errors.ts'
import { DOCKER_MANIFEST } from '../../src/oci/media-types.ts'
import { convertImage } from '../../src/schema1/convert-image.ts'
import type { MeasuredLayer } from '../../src/schema1/measured-layer.ts'
import { MOST_LAYERS, readChain } from '../../src/schema1/read-chain.ts'
import { readSchema1 } from '../../src/schema1/read-schema1.ts'
import { blobOf } from '../support/fixtures.ts'
import { EMPTY_LAYER, type OldLayer, schema1Payload } from '../support/schema1.ts'

const LAYER = 'application/vnd.docker.image.rootfs.diff.tar'

function measured(seed: number, more: Partial<MeasuredLayer> = {}): MeasuredLayer {
  const { digest } = blobOf(100, seed)
  return { digest, size: 100, diffId: blobOf(200, seed).digest, isGzip: true, isEmpty: false, ...more }
}

async function converted(
  layers: readonly OldLayer[],
  of: readonly (MeasuredLayer | undefined)[],
  extra: object = {},
) {
  const { architecture, ...source } = readSchema1(schema1Payload(layers, extra))
  const { manifest, config } = convertImage(await readChain(source), of.toReversed(), architecture)
  return {
    manifest,
    config,
    manifestJson: JSON.parse(String(manifest.bytes)) as Record<string, unknown>,
    configJson: JSON.parse(String(config.bytes)) as Record<string, unknown>,
  }
}

describe('a chain of image JSON becomes config and manifest', () => {
  test('layers with files are listed, oldest first, and all have a history', async () => {
    const one = measured(1)
    const two = measured(2, { isGzip: false })
    const layers = [
      { blob: one.digest, json: { author: 'me', comment: 'first' } },
      { blob: EMPTY_LAYER, json: { throwaway: true } },
      { blob: two.digest, json: { container_config: { Cmd: null } } },
      {
        blob: EMPTY_LAYER,
        json: { Size: 0, container_config: { Cmd: ['CMD', '["sh"]'] }, config: { Env: ['a=b'] } },
      },
    ]
    const { manifest, config, manifestJson, configJson } = await converted(layers, [
      one,
      undefined,
      two,
      measured(3, { isEmpty: true }),
    ])
    assert.deepEqual(manifestJson, {
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: {
        mediaType: 'application/vnd.docker.container.image.v1+json',
        size: config.bytes.length,
        digest: digestOf(config.bytes),
      },
      layers: [
        { mediaType: `${LAYER}.gzip`, size: 100, digest: one.digest },
        { mediaType: LAYER, size: 100, digest: two.digest },
      ],
    })
    assert.equal(manifest.descriptor.digest, digestOf(manifest.bytes))
    const created = '2015-04-01T12:00:00.123456789Z'
    assert.deepEqual(configJson, {
      container_config: { Cmd: ['CMD', '["sh"]'] },
      config: { Env: ['a=b'] },
      architecture: 'amd64',
      os: 'linux',
      created,
      rootfs: { type: 'layers', diff_ids: [one.diffId, two.diffId] },
      history: [
        { created, created_by: '/bin/sh -c step 0', author: 'me', comment: 'first' },
        { created, created_by: '/bin/sh -c step 1', empty_layer: true },
        { created },
        { created, created_by: 'CMD ["sh"]', empty_layer: true },
      ],
    })
  })

  test('a layer is empty when its bytes are; a `Size` of 0 is also that of one that only makes or removes', async () => {
    const zeros = measured(1, { isEmpty: true })
    const full = measured(2)
    const layers = [
      { blob: zeros.digest },
      { blob: full.digest, json: { Size: 0 } },
      { blob: full.digest, json: { throwaway: false, Size: 7 } },
    ]
    const { manifestJson, configJson } = await converted(layers, [zeros, full, full])
    assert.equal((manifestJson['layers'] as unknown[]).length, 2)
    assert.deepEqual(
      (configJson['history'] as { empty_layer?: true }[]).map(({ empty_layer: empty }) => empty),
      [true, undefined, undefined],
    )
  })

  test('nothing of the image JSON gets in the way of what schema 2 says, in whatever case it is written', async () => {
    const one = measured(1)
    const json = {
      parent_id: 'x',
      layer_id: 'x',
      RootFS: { diff_ids: ['sha256:other'] },
      HISTORY: [],
      os: '',
      architecture: 5,
      created: 'yesterday',
      ['__proto__']: 1,
      docker_version: '1.6.0',
    }
    const { configJson } = await converted([{ blob: one.digest, json }], [one], { architecture: 'arm' })
    assert.deepEqual(Object.keys(configJson), [
      'container_config',
      'docker_version',
      'architecture',
      'os',
      'rootfs',
      'history',
    ])
    assert.equal(configJson['architecture'], 'arm')
    assert.equal(configJson['os'], 'linux')
  })
})

describe('hostile schema 1 is refused with a reason', () => {
  const one = { blob: EMPTY_LAYER }
  const refusals: readonly [name: string, payload: Buffer, reason: RegExp][] = [
    [
      'more layers than history',
      schema1Payload([one, one], { history: [] }),
      /2 layers and the history of 0/,
    ],
    ['no layers', schema1Payload([]), /has no layers/],
    ['another schemaVersion', schema1Payload([one], { schemaVersion: 2 }), /schemaVersion/],
    ['fsLayers of another type', schema1Payload([one], { fsLayers: {} }), /fsLayers is no list/],
    ['history of another type', schema1Payload([one], { history: 'x' }), /history is no list/],
    ['a layer that is null', schema1Payload([one], { fsLayers: [null] }), /blobSum of layer 0/],
    [
      'a blobSum that is none',
      schema1Payload([one], { fsLayers: [{ blobSum: '../etc' }] }),
      /blobSum of layer 0/,
    ],
    [
      'v1Compatibility of another type',
      schema1Payload([one], { history: [{ v1Compatibility: {} }] }),
      /no v1Comp/,
    ],
    [
      'v1Compatibility that is no JSON',
      schema1Payload([one], { history: [{ v1Compatibility: '{' }] }),
      /JSON object/,
    ],
    [
      'v1Compatibility that is a list',
      schema1Payload([one], { history: [{ v1Compatibility: '[]' }] }),
      /JSON object/,
    ],
    [
      'v1Compatibility with too many values',
      schema1Payload([one], { history: [{ v1Compatibility: `{"a":[${'1,'.repeat(20_000)}1]}` }] }),
      /more than 10000 JSON values/,
    ],
    [
      'v1Compatibility that is deeply nested',
      schema1Payload([one], { history: [{ v1Compatibility: `{"a":${'['.repeat(5000)}` }] }),
      /nesting deeper than 64/,
    ],
    [
      'more layers than any image has',
      schema1Payload(Array.from({ length: MOST_LAYERS + 1 }, () => one)),
      /1001 layers, of which 1000/,
    ],
    [
      '10,000 layers',
      schema1Payload(Array.from({ length: 10_000 }, () => one)),
      /more than 10000 references/,
    ],
  ]
  for (const [name, payload, reason] of refusals) {
    test(name, async () => {
      await assert.rejects(
        async () => readChain(readSchema1(payload)),
        ({ code, detail }: RegistryError) =>
          code === 'UPSTREAM_INVALID' && reason.test(String(detail['reason'])),
      )
    })
  }

  test('a history that is longer than a manifest may be', async () => {
    const history = Array.from({ length: 5 }, () => JSON.stringify({ comment: 'x'.repeat(1024 * 1024) }))
    await assert.rejects(readChain({ history, layers: history }), (error: RegistryError) =>
      /longer than 4194304 bytes/.test(String(error.detail['reason'])),
    )
  })
})
