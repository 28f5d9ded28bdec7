import { memoryStore } from '../support/memory-store.ts'
import { storeFolder } from './setup.ts'
import { storeSuite } from './store-suite.ts'

storeSuite('the store in memory', async (now) => ({ ...memoryStore(now), async [Symbol.asyncDispose]() {} }))

storeSuite('the store in files', async (now) => {
  const folder = await storeFolder()
  const store = await folder.open({ now })
  return {
    ...store,
    async [Symbol.asyncDispose]() {
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
})
