/** The thread of `bcrypt.ts`. */
import { parentPort } from 'node:worker_threads'
import { compareSync } from 'bcryptjs'
import type { Answer, Question } from './bcrypt.ts'

parentPort!.on('message', ({ id, password, hash }: Question) => {
  const answer: Answer = { id, isRight: compareSync(password, hash) }
  parentPort!.postMessage(answer)
})
