/**
 * Runs `task` at the first call, and then once `enough` has been added since, or else `interval` milliseconds after the last time
 * if anything has.
 */
export function coalesce(interval: number, enough: number, task: () => void): (amount: number) => void {
  let timer: NodeJS.Timeout | undefined
  let due = 0

  const call = (): void => {
    due = 0
    clearTimeout(timer)
    timer = setTimeout(elapsed, interval)
    task()
  }
  function elapsed(): void {
    timer = undefined
    if (due > 0) call()
  }
  return (amount) => {
    due += amount
    if (timer === undefined || due >= enough) call()
  }
}
