/**
 * Many clients in one process that cost next to nothing: bare sockets into one buffer. Connects them all, then asks at once, and
 * prints what they got as a line of JSON: `node downloader.ts '{"url": …, "clients": 50}'`.
 */
import { connect } from 'node:net'
import { blobOf } from '../../test/support/fixtures.ts'

export interface Order {
  readonly url: string
  readonly clients: number
  /** The size of the `blobOf` that every byte is compared with. */
  readonly compareWith?: number
  /**
   * Of each client, in reads of 16 KiB at most: what it does not get for longer than `BURST` is lost to it. It
   * stops after `seconds` then, instead of at the end.
   */
  readonly bytesPerSecond?: number
  readonly seconds?: number
}

export interface Downloads {
  /** Seconds from asking until the last of them had its last byte. */
  readonly seconds: number
  /** Milliseconds until the first byte, of each. */
  readonly firsts: readonly number[]
  readonly bytes: number
  /** The bytes of each. */
  readonly received: readonly number[]
  /** What was wrong with any answer. */
  readonly problems: readonly string[]
}

/** Milliseconds of its rate that a client can catch up on. */
const BURST = 250

const order = JSON.parse(process.argv[2] ?? '') as Order
const { hostname, port, pathname } = new URL(order.url)
const truth = order.compareWith === undefined ? undefined : blobOf(order.compareWith).bytes
const buffer = Buffer.allocUnsafe(order.bytesPerSecond === undefined ? 256 * 1024 : 16 * 1024)
const rate = (order.bytesPerSecond ?? Infinity) / 1000
const problems: string[] = []
const firsts: number[] = []
let bytes = 0

const clients = Array.from({ length: order.clients }, client)
await Promise.all(clients.map(({ connected }) => connected))
const begun = performance.now()
for (const { ask } of clients) ask()
let last = begun
function allowMore(): void {
  const now = performance.now()
  for (const { allow } of clients) allow((now - last) * rate)
  last = now
}
const timer = rate === Infinity ? undefined : setInterval(allowMore, buffer.length / rate)
const enough =
  order.seconds === undefined ? [] : [new Promise((resolve) => setTimeout(resolve, order.seconds! * 1000))]
await Promise.race([Promise.all(clients.map(({ ended }) => ended)), ...enough])
clearInterval(timer)
const seconds = (performance.now() - begun) / 1000
const received = clients.map(({ count }) => count())
const downloads: Downloads = { seconds, firsts, bytes, received, problems }
process.stdout.write(`${JSON.stringify(downloads)}\n`, () => process.exit())

function client() {
  const connected = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  let head = ''
  let length = -1
  let received = 0
  /** Bytes that it may read now, beyond the one read that it has begun. */
  let allowed = 0
  const onread = {
    buffer,
    callback(count: number) {
      if (head === '') firsts.push(performance.now() - begun)
      let start = 0
      if (length < 0) {
        const before = head.length
        head += buffer.toString('latin1', 0, count)
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return true
        length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN)
        if (!head.startsWith('HTTP/1.1 200')) problems.push(head.slice(0, end))
        start = end + 4 - before
      }
      const part = buffer.subarray(start, count)
      if (truth !== undefined && !truth.subarray(received, received + part.length).equals(part)) {
        problems.push(`wrong bytes at ${received}`)
      }
      received += part.length
      bytes += part.length
      if (received === length) {
        socket.destroy()
        ended.resolve()
      }
      allowed -= count
      return rate === Infinity || allowed > 0
    },
  }
  const socket = connect({ host: hostname, port: Number(port), onread })
  socket.once('connect', connected.resolve)
  socket.on('error', (error) => problems.push(error.message))
  socket.once('close', () => {
    if (received !== length) problems.push(`ended after ${received} of ${length} bytes`)
    connected.resolve()
    ended.resolve()
  })
  return {
    connected: connected.promise,
    ended: ended.promise,
    ask: () => socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`),
    allow(more: number): void {
      allowed = Math.min(allowed + more, BURST * rate)
      if (allowed > 0) socket.resume()
    },
    count: () => received,
  }
}
