/** The exit codes of every command. 64 and 78 are those of sysexits.h, as service managers know them. */
export const EXIT = {
  done: 0,
  /** Something failed, or nothing matched. */
  failed: 1,
  usage: 64,
  configuration: 78,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
