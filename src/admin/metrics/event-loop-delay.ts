/** Milliseconds. A shorter period would wake an idle process for nothing. */
const PERIOD = 100

/**
 * Tells `observe` ten times a second how many seconds late the event loop was. A tick that was held up for
 * long counts once.
 */
export function watchEventLoopDelay(observe: (seconds: number) => void): Disposable {
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    observe(Math.max(0, now - last - PERIOD) / 1000)
    last = now
  }, PERIOD).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
