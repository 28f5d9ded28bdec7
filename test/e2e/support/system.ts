import { missing, type Outcome, type Program, run, start, succeed } from './processes.ts'

/** Where programs run: on this machine, or in another system that is unpacked on it. */
export interface System {
  /**
   * A command that runs what follows it there, with this machine's network and `/tmp`. Empty: this machine.
   */
  readonly launcher: readonly string[]
  /** As the functions of the same names in `processes.ts`. */
  start(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Program
  run(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Outcome>
  succeed(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string>
  /** Why tests that need these programs there are passed over. In CI that is a failure. */
  skipWithout(...programs: readonly string[]): string | false
}

export const THIS_MACHINE: System = { launcher: [], start, run, succeed, skipWithout: missing }

/** A system that has every program it is asked for. */
export function systemBehind(launcher: readonly [string, ...string[]]): System {
  const [first, ...rest] = launcher
  return {
    launcher,
    start: (command, args, env) => start(first, [...rest, command, ...args], env),
    run: (command, args, env) => run(first, [...rest, command, ...args], env),
    succeed: (command, args, env) => succeed(first, [...rest, command, ...args], env),
    skipWithout: () => missing(first),
  }
}

/** A system that is not to be had here. */
export function absentSystem(reason: string): System {
  const refuse = (): never => {
    throw new Error(reason)
  }
  return { launcher: [], start: refuse, run: refuse, succeed: refuse, skipWithout: () => reason }
}
