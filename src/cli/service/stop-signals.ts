export interface StopSignalsOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Called for the first signal. */
  readonly stop: (signal: string) => void
  /** Called for a signal that comes later: whoever sends it will not wait. */
  readonly exit: () => void
}

/**
 * Milliseconds within which a second signal repeats the first. Ctrl-C reaches npm and Node.js, and npm passes
 * its own on; so does SIGTERM from systemd, which goes to every process of a unit.
 */
const REPEATED_WITHIN = 300

/** Follows the signals that stop a service. They are listened for at once, also by a process with id 1. */
export function followStopSignals(
  signals: Pick<NodeJS.EventEmitter, 'on'>,
  { now, stop, exit }: StopSignalsOptions,
): void {
  let first: number | undefined
  function received(signal: string): void {
    if (first === undefined) {
      first = now()
      stop(signal)
    } else if (now() - first > REPEATED_WITHIN) exit()
  }
  signals.on('SIGTERM', received).on('SIGINT', received)
}
