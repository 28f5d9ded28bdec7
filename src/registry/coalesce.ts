/** Runs `task` at once, and then no more often than every `interval` milliseconds; a call in between is made up for at its end. */
export function coalesce(interval: number, task: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  let isDue = false

  const elapsed = (): void => {
    timer = undefined
    if (!isDue) return
    isDue = false
    call()
  }
  function call(): void {
    if (timer !== undefined) {
      isDue = true
      return
    }
    timer = setTimeout(elapsed, interval)
    task()
  }
  return call
}
