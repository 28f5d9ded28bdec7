/**
 * Limits how often `task` runs. The first call runs it at once. Later calls run it once their amounts add up
 * to `enough`, or `interval` milliseconds after the last run, whichever is first.
 *
 * @returns a function that takes the amount to add.
 */
export function throttle(interval: number, enough: number, task: () => void): (amount: number) => void {
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
