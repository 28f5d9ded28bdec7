/** `storage.s3` without keys: the process has a role, as on EKS, ECS and EC2. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { openS3 } from '../../src/compose/store/s3.ts'
import { s3Role } from '../../src/compose/store/s3-role.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { S3Client } from '../../src/s3/s3-client.ts'
import {
  containerAgent,
  fakeSts,
  instanceMetadata,
  KEYS,
  STS_HOST,
  TEMPORARY,
} from '../support/clouds/amazon.ts'
import { answer, fakeCloud } from '../support/clouds/fake-cloud.ts'
import type { AwsKeys } from '../support/clouds/sig-v4.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { fakeS3 } from './fake-s3.ts'
import { readerOf } from './remote-blobs-suite.ts'

const ROLE = 'arn:aws:iam::123456789012:role/entrepot'
const PLACE = { bucket: 'images', region: 'eu-central-1', prefix: '' }
const { bytes, digest } = blobOf(1000)

async function setting(t: TestContext, keys: AwsKeys = TEMPORARY) {
  const cloud = await fakeCloud(t, STS_HOST)
  const s3 = await fakeS3({ region: PLACE.region })
  t.after(() => s3[Symbol.asyncDispose]())
  s3.keys = keys
  const lines: object[] = []
  const tell = (...line: unknown[]) => void lines.push(line)
  return {
    cloud,
    s3,
    lines,
    /** Opens the bucket, puts a blob and looks for it, with what the platform says of this process. */
    async use(env: NodeJS.ProcessEnv): Promise<void> {
      await using opened = await openS3(
        { ...PLACE, endpoint: s3.url },
        {
          log: { info: tell, warn: tell, error: tell },
          telemetry: { answered() {} },
          env: { ...cloud.env, ...env },
        },
      )
      await opened.blobs.put(readerOf(bytes, digest))
      assert.equal((await opened.blobs.stat(digest))?.size, bytes.length)
      // What is given to clients is signed by the role too.
      assert.equal((await fetch(await opened.blobs.locate(digest))).status, 200)
    },
  }
}

/** A client whose role is that of a container, and a clock for it. */
async function role(t: TestContext) {
  const { cloud, s3 } = await setting(t)
  cloud.respond = containerAgent('/v1/credentials')
  const clock = { now: 0 }
  const told: string[] = []
  const stop = new AbortController()
  const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${cloud.metadata.url}/v1/credentials` }
  const credentials = s3Role({
    region: PLACE.region,
    env,
    signal: stop.signal,
    failed: (problem) => void told.push((problem as Error).message),
    now: () => clock.now,
  })
  const client = new S3Client({
    ...PLACE,
    endpoint: s3.url,
    credentials,
    timeouts: { connect: 1_000, headers: 5_000, idle: 1_000 },
    telemetry: { answered() {} },
  })
  t.after(() => client[Symbol.asyncDispose]())
  const stat = async (): Promise<number> => {
    const response = await client.send('stat', { method: 'HEAD', key: 'none' })
    await response.body.dump()
    return response.statusCode
  }
  return { cloud, s3, clock, told, stat }
}

const HOUR = 3_600_000

suite('a role for S3', () => {
  test('keys of the environment', async (t) => {
    const { use } = await setting(t, KEYS)
    await use({ AWS_ACCESS_KEY_ID: KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey })
  })

  test('a session token of the environment is sent with every request', async (t) => {
    const { use } = await setting(t)
    await use({
      AWS_ACCESS_KEY_ID: TEMPORARY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: TEMPORARY.secretAccessKey,
      AWS_SESSION_TOKEN: TEMPORARY.sessionToken,
    })
  })

  test('the web identity of an EKS service account (IRSA), at the token service of the region', async (t) => {
    const { cloud, use } = await setting(t)
    const file = join(cloud.folder, 'token')
    await writeFile(file, 'eyJ.web.identity\n')
    fakeSts(cloud, ROLE, () => 'eyJ.web.identity')
    await use({ AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file })
    assert.equal(cloud.find(STS_HOST).length, 1)
  })

  test('the credentials of a container, with its token in a file (EKS Pod Identity)', async (t) => {
    const { cloud, use } = await setting(t)
    const file = join(cloud.folder, 'token')
    await writeFile(file, 'eyJ.pod.identity')
    cloud.respond = containerAgent('/v1/credentials', 'eyJ.pod.identity')
    await use({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${cloud.metadata.url}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
    })
    assert.equal(cloud.metadata.requests.length, 1)
  })

  test('the role of an instance, by version 2 of its metadata service', async (t) => {
    const { cloud, use } = await setting(t)
    cloud.respond = instanceMetadata()
    await use({ AWS_EC2_METADATA_SERVICE_ENDPOINT: cloud.metadata.url })
    assert.deepEqual(
      cloud.metadata.requests.map(({ method }) => method),
      ['PUT', 'GET', 'GET'],
    )
  })

  test('they are fetched once for all who wait, and again before they expire', async (t) => {
    const { cloud, clock, stat } = await role(t)
    const answers = await Promise.all(Array.from({ length: 50 }, stat))
    assert.deepEqual(new Set(answers), new Set([404]))
    assert.equal(cloud.metadata.requests.length, 1)
    clock.now = 0.85 * HOUR
    await stat()
    assert.equal(cloud.metadata.requests.length, 1)
    clock.now = 0.95 * HOUR
    await Promise.all(Array.from({ length: 50 }, stat))
    await eventually(() => cloud.metadata.requests.length === 2)
  })

  test('while newer ones cannot be had the present ones are used', async (t) => {
    const { cloud, clock, told, stat } = await role(t)
    await stat()
    cloud.respond = () => answer(403, { code: 'AccessDenied' })
    clock.now = 0.95 * HOUR
    assert.equal(await stat(), 404)
    await eventually(() => told.length === 1)
    assert.match(told[0]!, /^the credentials of the container: .* answers 403 AccessDenied/)
  })

  test('those that the service refuses are replaced, and the request is sent again', async (t) => {
    const { cloud, s3, clock, stat } = await role(t)
    assert.equal(await stat(), 404)
    const next = { ...TEMPORARY, sessionToken: 'another+token/=' }
    s3.keys = next
    cloud.respond = () =>
      answer(200, {
        AccessKeyId: next.accessKeyId,
        SecretAccessKey: next.secretAccessKey,
        Token: next.sessionToken,
        Expiration: new Date(Date.now() + HOUR).toISOString(),
      })
    clock.now = 6_000
    assert.equal(await stat(), 404)
    assert.equal(cloud.metadata.requests.length, 2)
  })

  test('a request whose credentials were refused waits for others no longer than for an answer', async (t) => {
    const { s3 } = await setting(t)
    const { promise: waits, resolve: waiting } = Promise.withResolvers<void>()
    const client = new S3Client({
      ...PLACE,
      endpoint: s3.url,
      credentials(refused) {
        if (refused === undefined) return KEYS
        waiting()
        return new Promise(() => {})
      },
      timeouts: { connect: 1_000, headers: 5_000, idle: 1_000 },
      telemetry: { answered() {} },
    })
    t.after(() => client[Symbol.asyncDispose]())
    const asked = { method: 'GET', key: 'none', timeout: 5_000 } as const
    const stop = new AbortController()
    const stopped = client.send('get', { ...asked, signal: stop.signal })
    await waits
    stop.abort(new Error('gone away'))
    await assert.rejects(stopped, /gone away/)
    await assert.rejects(
      client.send('get', { ...asked, timeout: 1_000 }),
      (error) =>
        isRegistryError(error, 'UPSTREAM_TIMEOUT') && error.detail['reason'] === 'no credentials in time',
    )
    assert.equal(s3.requests.length, 2)
  })

  test('without any, a request fails at once and says why, and S3 is not asked', async (t) => {
    const { cloud, s3, stat } = await role(t)
    cloud.respond = () => answer(403, { code: 'AccessDenied' })
    await assert.rejects(
      stat(),
      (error) =>
        isRegistryError(error, 'UPSTREAM_UNAVAILABLE') &&
        /the credentials of the container/.test(String(error.detail['reason'])),
    )
    assert.equal(s3.requests.length, 0)
  })

  test('SEC-60 no log line has a secret of the role', async (t) => {
    const { cloud, s3, lines, use } = await setting(t)
    const file = join(cloud.folder, 'token')
    await writeFile(file, 'eyJ.web.identity')
    fakeSts(cloud, ROLE, () => 'eyJ.web.identity')
    await use({ AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file })
    s3.keys = KEYS
    await assert.rejects(use({ AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file }))
    const text = JSON.stringify(lines)
    for (const secret of [TEMPORARY.secretAccessKey, TEMPORARY.sessionToken!, 'eyJ.web.identity', 'X-Amz-'])
      assert.ok(!text.includes(secret))
  })

  test('nobody is asked who this process is where the configuration has keys', async (t) => {
    const { cloud, s3 } = await setting(t, KEYS)
    await using opened = await openS3(
      { ...PLACE, endpoint: s3.url, keys: KEYS },
      {
        log: { info() {}, warn() {}, error() {} },
        telemetry: { answered() {} },
        env: {
          ...cloud.env,
          AWS_CONTAINER_CREDENTIALS_FULL_URI: `${cloud.metadata.url}/v1/credentials`,
        },
      },
    )
    await opened.blobs.put(readerOf(bytes, digest))
    assert.equal(cloud.metadata.requests.length, 0)
  })
})
