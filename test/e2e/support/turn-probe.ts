/**
 * Loaded into a process before its program: at every SIGUSR2 it says, as a line of JSON, how long the event loop was
 * held at most since the last, and how much processor time the main thread took meanwhile: on a busy machine a
 * process is also late because it waits for a processor.
 */
const PERIOD = 1
const longest = { wall: 0, processor: 0 }
let last = now()

setInterval(() => {
  const current = now()
  longest.wall = Math.max(longest.wall, current.wall - last.wall - PERIOD)
  longest.processor = Math.max(longest.processor, current.processor - last.processor)
  last = current
}, PERIOD).unref()

process.on('SIGUSR2', () => {
  process.stdout.write(`${JSON.stringify({ probe: 'turn', ...longest, at: Date.now() })}\n`)
  Object.assign(longest, { wall: 0, processor: 0 })
})

/** Milliseconds. */
function now(): { readonly wall: number; readonly processor: number } {
  const { user, system } = process.threadCpuUsage()
  return { wall: performance.now(), processor: (user + system) / 1000 }
}
