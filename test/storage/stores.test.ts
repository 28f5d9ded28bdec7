import { memoryStore } from '../support/memory-store.ts'
import { storeFolder } from './setup.ts'
import { storeSuites } from './suites/store-suites.ts'
import type { OpenStore } from './suites/store-under-test.ts'

const stores: Readonly<Record<string, OpenStore>> = {
  'the store in memory': async (now) => ({ ...memoryStore(now), async [Symbol.asyncDispose]() {} }),
  async 'the store in files'(now) {
    const folder = await storeFolder()
    const store = await folder.open({ now })
    return {
      ...store,
      async [Symbol.asyncDispose]() {
        await store.close()
        await folder[Symbol.asyncDispose]()
      },
    }
  },
}

for (const [name, open] of Object.entries(stores)) storeSuites(name, open)
