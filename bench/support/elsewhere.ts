import { type Program, start } from '../../test/e2e/support/processes.ts'

/**
 * Linux schedules sessions against each other, and heeds the niceness of a process only within its own (sched(7),
 * "The autogroup feature").
 */
const BEHIND = `if [ -w /proc/self/autogroup ]; then echo 19 >/proc/self/autogroup; fi; exec nice -n 19 "$@"`

/** Starts a script that stands for another machine: what it takes of this one must not delay what is measured. */
export function elsewhere(script: string, ...args: readonly string[]): Program {
  return start('sh', ['-c', BEHIND, 'sh', process.execPath, script, ...args])
}
