/** The suites of every store and index, over what replicas share: real Ceph RGW and real PostgreSQL. */
import { after, before, suite } from 'node:test'
import { join } from 'node:path'
import { s3Blobs } from '../../src/s3/s3-blobs.ts'
import { storeFolder } from '../storage/setup.ts'
import { listsSuite } from '../storage/suites/lists-suite.ts'
import { runsSuite } from '../storage/suites/runs-suite.ts'
import { storeSuites } from '../storage/suites/store-suites.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { cephRgw, type CephRgw, RGW } from './cluster/ceph-rgw.ts'
import { newBucket } from './cluster/new-bucket.ts'
import { postgres, type Postgres, withoutPostgres } from './cluster/postgres.ts'
import { emptyDatabase, sharedStore } from './cluster/shared-store.ts'
import { missing } from './support/processes.ts'

suite('what replicas share', { skip: missing(...RGW) || withoutPostgres }, () => {
  const resources = new AsyncDisposableStack()
  let rgw: CephRgw
  let server: Postgres
  before(async () => {
    const folder = resources.use(await tempFolder())
    rgw = resources.use(await cephRgw(join(folder.path, 'ceph')))
    server = resources.use(await postgres())
    // The service takes its time over the first object.
    await using client = await newBucket(rgw)
    const first = s3Blobs({ client, prefix: '', refusesToOverwrite: () => true })
    await eventually(
      () =>
        first.stat(blobOf(1).digest).then(
          () => true,
          () => false,
        ),
      60_000,
    )
  })
  after(() => resources.disposeAsync())

  storeSuites('S3 and PostgreSQL', async (now) => {
    emptyDatabase(server)
    await using starting = new AsyncDisposableStack()
    const client = starting.use(await newBucket(rgw))
    const remote = s3Blobs({ client, prefix: '', refusesToOverwrite: () => true })
    const store = starting.use(await sharedStore(server, { now, remote }))
    const resources = starting.move()
    return { ...store, [Symbol.asyncDispose]: () => resources.disposeAsync() }
  })

  runsSuite('PostgreSQL', async (options) => {
    emptyDatabase(server)
    return sharedStore(server, options)
  })

  listsSuite('PostgreSQL', async (options) => {
    emptyDatabase(server)
    const folder = await storeFolder()
    const joined = {}
    const open = () => sharedStore(server, { ...options, folder, joined })
    let store = await open()
    return {
      get pins() {
        return store.pins
      },
      get trusted() {
        return store.trusted
      },
      async restart() {
        await store[Symbol.asyncDispose]()
        store = await open()
      },
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]()
        await folder[Symbol.asyncDispose]()
      },
    }
  })
})
