import { fileURLToPath } from 'node:url'
import { start } from '../../../test/e2e/support/processes.ts'

/** Listeners of the events of one process, as `emitting.ts` serves them. */
export interface Audience extends AsyncDisposable {
  readonly pid: number
  /** Runs `during` while they listen. */
  listening<T>(during: () => Promise<T>): Promise<T>
  /** Has that process emit so many events over these seconds. @returns the CPU of its main thread, in seconds */
  emit(events: number, seconds: number): Promise<number>
}

/**
 * They are other people's machines: what they do with a message must not delay the pulls of this one. So they get
 * the time of a processor that nobody else wants (SCHED_IDLE).
 */
export async function audience(port: number, count: number): Promise<Audience> {
  const script = fileURLToPath(new URL('watchers.ts', import.meta.url))
  const program = start('chrt', ['--idle', '0', process.execPath, script, String(port), String(count)])
  await program.line((line) => line === 'ready' || undefined)
  let turns = 0
  const toggle = async (): Promise<void> => {
    turns += 1
    program.kill('SIGUSR2')
    await program.line((line) => line === `turn ${turns}` || undefined)
  }

  return {
    pid: program.pid,
    async listening(during) {
      await toggle()
      const value = await during()
      await toggle()
      return value
    },
    async emit(events, seconds) {
      const response = await fetch(`http://127.0.0.1:${port}/emit?count=${events}&seconds=${seconds}`)
      return ((await response.json()) as { cpu: number }).cpu
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}
