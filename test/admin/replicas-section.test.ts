/** The replicas of a cluster on the dashboard. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replicasSection } from '../../src/admin/dashboard/replicas.ts'
import type { ClusterReport } from '../../src/ports/insight/insight.ts'

const NOW = Date.parse('2026-11-26T12:00:00Z')
const replica = {
  address: 'http://10.0.0.5:5000',
  isOwn: true,
  version: '0.2.0',
  startedAt: '2026-11-26T09:00:00.000Z',
  seenAt: '2026-11-26T11:59:50.000Z',
  leads: ['sweep', 'trim'],
  downloads: 3,
}
const cluster: ClusterReport = {
  address: replica.address,
  news: 'listening',
  untold: 0,
  trouble: null,
  replicas: [
    replica,
    {
      ...replica,
      address: 'http://<b>evil</b>',
      isOwn: false,
      leads: [],
      seenAt: '2026-11-26T11:58:00.000Z',
    },
  ],
}

const render = async (report: ClusterReport): Promise<string> => String(await replicasSection(report, NOW))

test('each replica is told with what it does, and the one that is asked is marked', async () => {
  const text = await render(cluster)
  assert.match(text, /10\.0\.0\.5:5000 <span class="dim">\(this one\)<\/span>/)
  assert.match(text, /sweep, trim/)
  assert.equal(text.match(/\(this one\)/g)?.length, 1)
})

test('one that was not heard of lately stands out, and what it says of itself is text', async () => {
  const text = await render(cluster)
  assert.equal(text.match(/class="bad"/g)?.length, 1)
  assert.ok(text.includes('&lt;b&gt;evil'))
  assert.ok(!text.includes('<b>evil'))
})

test('while the shared index is away that is told, and what waits for it', async () => {
  const trouble = { said: 'refuses the password', advice: 'correct it' }
  const text = await render({ ...cluster, replicas: null, trouble, untold: 7 })
  assert.match(
    text,
    /The shared index is away: PostgreSQL refuses the password\. This is the replica http:\/\/10\.0\.0\.5:5000/,
  )
  assert.match(text, /7 changes were not told/)
})
