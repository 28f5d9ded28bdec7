import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { archiveRoutes, type ArchiveRoutesOptions } from '../../src/admin/archive-routes.ts'

test('an import that fails by a fault of ours closes the connection, for the rest of the archive is not read', async () => {
  const fault = new TypeError('a bug')
  const failed: unknown[] = []
  const routes = archiveRoutes({
    importArchive: () => Promise.reject(fault),
    jobs: {
      run: (_, run) => run({ signal: AbortSignal.any([]), say() {} } as never),
    },
    failed: (error) => void failed.push(error),
  } as Partial<ArchiveRoutesOptions> as ArchiveRoutesOptions)
  routes.onError((_, c) => c.json({ error: 'internal' }, 500))
  const env = {
    incoming: new PassThrough(),
    outgoing: Object.assign(new EventEmitter(), { destroyed: false }),
  }
  const answer = await routes.request('/import', { method: 'POST' }, env)
  assert.equal(answer.status, 500)
  assert.equal(answer.headers.get('connection'), 'close')
  assert.deepEqual(failed, [fault])
})
