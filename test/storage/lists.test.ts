import { storeFolder } from './setup.ts'
import { listsSuite } from './suites/lists-suite.ts'

listsSuite('the store in files', async (options) => {
  const folder = await storeFolder()
  let store = await folder.open(options)
  return {
    get pins() {
      return store.pins
    },
    get trusted() {
      return store.trusted
    },
    async restart() {
      await store.close()
      store = await folder.open(options)
    },
    async [Symbol.asyncDispose]() {
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
})
