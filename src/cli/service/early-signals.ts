import { EXIT } from '../exit-code.ts'

/** Follows signals until the service does. */
export interface EarlySignals {
  /** Leaves them to the service, which listens for them by now. @returns whether it was asked to reload */
  handOver(): boolean
}

/**
 * Follows signals from the first moment of a service on. SIGHUP would end it, and the kernel drops SIGTERM for
 * a process with id 1 that does not listen for it: `docker stop` would wait in vain.
 */
export function earlySignals(
  signals: Pick<NodeJS.EventEmitter, 'on' | 'off'>,
  exit: (code: number) => void,
): EarlySignals {
  let isAsked = false
  // There is nothing to undo yet.
  const stop = (): void => exit(EXIT.done)
  const reload = (): void => void (isAsked = true)
  signals.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reload)
  return {
    handOver() {
      signals.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', reload)
      return isAsked
    },
  }
}

/**
 * Ignores the signals that log rotation is often set to send: of itself Node.js opens a debugger for SIGUSR1,
 * through which every user of the machine runs code here, and ends for SIGUSR2.
 */
export function ignoreRotationSignals(signals: Pick<NodeJS.EventEmitter, 'on'>): void {
  for (const signal of ['SIGUSR1', 'SIGUSR2']) signals.on(signal, () => {})
}
