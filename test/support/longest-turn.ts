/**
 * The most processor time, in milliseconds, that this thread took between two turns of its event loop. What
 * other processes take of the machine is no part of it.
 */
export async function longestTurnOf(task: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let isOver = false
  let last = process.threadCpuUsage()
  const turn = (): void => {
    const { user, system } = process.threadCpuUsage(last)
    longest = Math.max(longest, (user + system) / 1000)
    last = process.threadCpuUsage()
    if (!isOver) setTimeout(turn, 1)
  }
  setTimeout(turn, 1)
  await task()
  isOver = true
  return longest
}
