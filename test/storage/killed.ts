import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Halted extends AsyncDisposable {
  readonly pid: number
  /** The steps it took, the one it stopped at last. */
  readonly steps: readonly string[]
  /** SIGKILL. */
  kill(): Promise<void>
}

/** Runs `kill-fixture.ts` until it stops at a step, or is done. */
export async function halted(
  root: string,
  step: number,
  { when = 'before', size = 1000 }: { readonly when?: 'before' | 'after'; readonly size?: number } = {},
): Promise<Halted> {
  const script = join(import.meta.dirname, 'kill-fixture.ts')
  const child = spawn(process.execPath, [script, root, String(step), when, String(size)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const steps: string[] = []
  for await (const line of createInterface(child.stdout)) {
    if (line === 'stopped' || line === 'done') {
      return { pid: child.pid!, steps, kill: () => killed(child), [Symbol.asyncDispose]: () => killed(child) }
    }
    steps.push(line)
  }
  throw new Error(`the process ended by itself after ${steps.join(', ')}`)
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
