import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Pulled } from './pull-blob.ts'

/** Pulls them all at once. @throws Error that tells how many failed, and the first failure */
export async function pullAll(urls: readonly string[], attempts = 1): Promise<readonly Pulled[]> {
  const worker = new Worker(new URL('./pull-worker.ts', import.meta.url), { workerData: { urls, attempts } })
  const [results] = (await once(worker, 'message')) as [readonly (Pulled | { readonly failure: string })[]]
  const failures = results.flatMap((result) => ('failure' in result ? [result.failure] : []))
  if (failures.length > 0) throw new Error(`${failures.length} of ${urls.length} failed: ${failures[0]}`)
  return results as readonly Pulled[]
}
