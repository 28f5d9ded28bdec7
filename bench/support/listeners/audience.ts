import { fileURLToPath } from 'node:url'
import { start } from '../../../test/e2e/support/processes.ts'

/** Listeners of the events of one process, as `emitting.ts` serves them. */
export interface Audience extends AsyncDisposable {
  /** Runs `during` while they listen. @returns what it does, and the bytes that they were sent */
  listening<T>(during: () => Promise<T>): Promise<{ readonly value: T; readonly bytes: number }>
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
  const toggle = (): Promise<number> => {
    turns += 1
    program.kill('SIGUSR2')
    return program.line((line) => {
      if (!line.startsWith('{')) return undefined
      const said = JSON.parse(line) as { readonly turns: number; readonly bytes: number }
      return said.turns === turns ? said.bytes : undefined
    })
  }

  return {
    async listening(during) {
      const before = await toggle()
      const value = await during()
      return { value, bytes: (await toggle()) - before }
    },
    async emit(events, seconds) {
      const response = await fetch(`http://127.0.0.1:${port}/emit?count=${events}&seconds=${seconds}`)
      return ((await response.json()) as { cpu: number }).cpu
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}
