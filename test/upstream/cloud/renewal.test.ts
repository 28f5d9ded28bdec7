/** How long a login of a cloud is used, and when the next one is fetched. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { credentialSource } from '../../../src/upstream/credentials/credential-source.ts'
import type { Credentials } from '../../../src/upstream/credentials/credentials.ts'
import { proxiesFrom } from '../../../src/upstream/net/proxy-environment.ts'
import { systemTrust } from '../../../src/upstream/net/trust-store.ts'
import {
  ACCOUNT_HOST,
  API_HOST,
  fakeEcr,
  fakeSts,
  KEYS,
  STS_HOST,
  TEMPORARY,
} from '../../support/clouds/amazon.ts'
import { answer, fakeCloud } from '../../support/clouds/fake-cloud.ts'
import { eventually } from '../../support/fixtures.ts'
import { tempFolder } from '../../support/temp-folder.ts'
import { failureOf } from '../setup.ts'

const HOUR = 3600_000

async function setting(t: TestContext, keys = KEYS, more: NodeJS.ProcessEnv = {}) {
  const cloud = await fakeCloud(t, ACCOUNT_HOST, API_HOST, STS_HOST)
  const ecr = fakeEcr(cloud, keys)
  const env = {
    ...cloud.env,
    AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    ...more,
  }
  const clock = { now: 0 }
  const told: string[] = []
  const ask = credentialSource({
    upstream: 'up',
    url: `https://${ACCOUNT_HOST}`,
    cloud: 'ecr',
    env,
    trust: systemTrust({ env, failed: () => {} }),
    proxyFor: proxiesFrom(env),
    signal: new AbortController().signal,
    failed: (problem) => void told.push((problem as Error).message),
    now: () => clock.now,
  })
  return {
    cloud,
    ecr,
    clock,
    told,
    async password(refused?: Credentials): Promise<string> {
      const login = await ask(refused === undefined ? {} : { refused })
      return (login as { password: string }).password
    },
    login: () => ask({}),
  }
}

test('FR-51 a login is fetched once for all who wait, and kept until a tenth of its life is left', async (t) => {
  const { ecr, clock, password } = await setting(t)
  const waiting = Array.from({ length: 50 }, () => password())
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['password-1']))
  clock.now = 10.7 * HOUR
  assert.equal(await password(), 'password-1')
  assert.equal(ecr.issued, 1)
  clock.now = 10.9 * HOUR
  assert.equal(await password(), 'password-1', 'nobody waits for the next one')
  await eventually(async () => (await password()) === 'password-2')
  assert.equal(ecr.issued, 2)
})

test('FR-51 while the next login cannot be had the present one is used, until it expires', async (t) => {
  const { cloud, clock, told, password, login } = await setting(t)
  assert.equal(await password(), 'password-1')
  cloud.hosts.set(API_HOST, () => answer(403, { __type: 'AccessDeniedException' }))
  clock.now = 11 * HOUR
  assert.equal(await password(), 'password-1')
  await eventually(async () => told.length === 1)
  assert.match(told[0]!, /^GetAuthorizationToken: .* answers 403 AccessDeniedException/)
  assert.equal(await password(), 'password-1')
  clock.now = 12.1 * HOUR
  const { detail } = await failureOf(login())
  assert.match(String(detail['reason']), /AccessDeniedException/)
})

test('FR-51 a login that upstream refuses is replaced, at most every five seconds', async (t) => {
  const { ecr, clock, login, password } = await setting(t)
  const first = await login()
  assert.equal(await password(first), 'password-1')
  assert.equal(ecr.issued, 1)
  clock.now = 5_000
  assert.equal(await password(first), 'password-2')
})

test('FR-51 the token of a service account is read again for each exchange, because the platform replaces it', async (t) => {
  const role = 'arn:aws:iam::123456789012:role/entrepot'
  await using temp = await tempFolder()
  const file = join(temp.path, 'token')
  const { cloud, clock, password } = await setting(t, TEMPORARY, {
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
    AWS_ROLE_ARN: role,
    AWS_WEB_IDENTITY_TOKEN_FILE: file,
  })
  let token = 'a.first.token'
  fakeSts(cloud, role, () => token)
  await writeFile(file, token)
  assert.equal(await password(), 'password-1')
  token = 'a.second.token'
  await writeFile(file, token)
  clock.now = 13 * HOUR
  assert.equal(await password(), 'password-2')
})
