/** Tells the value of `Date`, which it makes once a second. */
export function httpDates(): () => string {
  let text = ''
  let until = 0
  return () => {
    const now = Date.now()
    if (now >= until || now < until - 1000) {
      text = new Date(now).toUTCString()
      until = now - (now % 1000) + 1000
    }
    return text
  }
}
