import { storeFolder } from './setup.ts'
import { runsSuite } from './suites/runs-suite.ts'

runsSuite('the store in files', async ({ keep, now }) => {
  const folder = await storeFolder()
  const store = await folder.open({ keepRuns: keep, now })
  return {
    runs: store.runs,
    async [Symbol.asyncDispose]() {
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
})
