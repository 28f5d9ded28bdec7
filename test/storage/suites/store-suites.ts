import { ingestSuite } from './ingest-suite.ts'
import { inventorySuite } from './inventory-suite.ts'
import { namesSuite } from './names-suite.ts'
import { resumeSuite } from './resume-suite.ts'
import type { OpenStore } from './store-under-test.ts'

/** What every store and its index pass: in memory, in files, with a bucket behind it, and shared by replicas. */
export function storeSuites(name: string, open: OpenStore): void {
  for (const suite of [ingestSuite, resumeSuite, inventorySuite, namesSuite]) suite(name, open)
}
