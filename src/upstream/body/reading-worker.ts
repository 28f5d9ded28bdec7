/** The thread of `reading-thread.ts`. */
import { parentPort } from 'node:worker_threads'
import { runInBackground } from '../../util/async/background-thread.ts'
import type { ReadingMessage } from './reading-thread.ts'

runInBackground()
const early: ReadingMessage[] = []
const keep = (message: ReadingMessage): void => void early.push(message)
parentPort!.on('message', keep)
// Loading the code takes a while too.
const { takeMessages } = await import('./reading-work.ts')
parentPort!.off('message', keep)
takeMessages(parentPort!, early)
