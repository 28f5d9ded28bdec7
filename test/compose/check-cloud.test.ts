/** What `serve --check --upstreams` tells of upstreams with the login of a cloud. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkUpstreams } from '../../src/compose/upstreams/check-upstreams.ts'
import { load } from '../config/folder.ts'
import { ACCOUNT_HOST, API_HOST, fakeEcr, KEYS } from '../support/clouds/amazon.ts'
import { fakeCloud } from '../support/clouds/fake-cloud.ts'

test('FR-51 the check tells whether the login of a cloud can be had and is accepted, and else what to do', async (t) => {
  const cloud = await fakeCloud(t, ACCOUNT_HOST, API_HOST)
  fakeEcr(cloud, KEYS)
  const config = await load(t, `publicUpstreams: false\nupstreams: { ${ACCOUNT_HOST}: { credentials: ecr } }`)
  const check = (secret: string) =>
    checkUpstreams(config, {
      ...cloud.env,
      AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: secret,
    })
  assert.deepEqual(await check(KEYS.secretAccessKey), [
    { name: ACCOUNT_HOST, isUsable: true, said: 'answers, and accepts the credentials' },
  ])
  const [wrong] = await check('wrong')
  assert.equal(wrong!.isUsable, false)
  assert.equal(
    wrong!.said,
    `has no credentials here (GetAuthorizationToken: ${API_HOST} answers 400 InvalidSignatureException)`,
  )
  assert.equal(wrong!.advice, 'check that the policy of the role allows ecr:GetAuthorizationToken')
})
