import { filesystemStore } from '../../src/storage/filesystem-store.ts'
import { memoryStore } from '../../src/storage/memory.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { storeSuite } from './store-suite.ts'

storeSuite('the store in memory', async (now) => ({ ...memoryStore(now), async [Symbol.asyncDispose]() {} }))

storeSuite('the store in files', async (now) => {
  const folder = await tempFolder()
  const store = await filesystemStore({ root: folder.path, now, telemetry: { evicted() {}, failed() {} } })
  return {
    ...store,
    async [Symbol.asyncDispose]() {
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
})
