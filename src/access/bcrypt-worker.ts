/** The worker thread of `bcrypt.ts`. */
import { parentPort } from 'node:worker_threads'
import { compareSync } from 'bcryptjs'
import type { CompareResult, CompareRequest } from './bcrypt.ts'

parentPort!.on('message', ({ id, password, hash }: CompareRequest) => {
  const result: CompareResult = { id, isRight: compareSync(password, hash) }
  parentPort!.postMessage(result)
})
