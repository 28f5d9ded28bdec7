/** Loaded into a process before its program: at every SIGUSR2 it says, as a line of JSON, how long the event loop was held at most since the last. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Milliseconds between two looks, which count as no delay. */
const RESOLUTION = 1
const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
delay.enable()
process.on('SIGUSR2', () => {
  process.stdout.write(`${JSON.stringify({ stall: delay.max / 1e6 - RESOLUTION, at: Date.now() })}\n`)
  delay.reset()
})
