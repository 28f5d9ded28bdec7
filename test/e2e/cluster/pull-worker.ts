/** Clients in a thread of their own, so that those who pull do not hold up the upstream of the test. */
import { parentPort, workerData } from 'node:worker_threads'
import { pullBlob } from './pull-blob.ts'

const { urls, attempts } = workerData as { urls: readonly string[]; attempts: number }
const settled = await Promise.allSettled(urls.map((url) => pullBlob(url, attempts)))
const results = settled.map((result) =>
  result.status === 'fulfilled' ? result.value : { failure: String(result.reason) },
)
parentPort!.postMessage(results, [])
