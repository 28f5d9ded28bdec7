import { connect } from 'node:net'

export interface Response {
  readonly status: number
  /** In lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** Empty for an answer to HEAD. */
  readonly body: Buffer
}

/** Longer than the proxy lets any request take. */
const DEADLINE = 40_000

/** Sends bytes on a connection of their own. @returns all that comes until it ends. @throws Error when it does not end in time */
export function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect({ port, host: '127.0.0.1' })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`still open after ${DEADLINE} ms`))
    }, DEADLINE)
    socket.on('connect', () => socket.write(bytes))
    socket.on('data', (chunk) => void chunks.push(chunk))
    // The proxy may reset what it does not want to read to its end.
    socket.on('error', () => {})
    socket.on('end', () => socket.resetAndDestroy())
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks))
    })
  })
}

/** Parts what came into responses. @throws Error when it does not consist of whole ones, the last one excepted */
export function responsesIn(bytes: Buffer): readonly Response[] {
  const responses: Response[] = []
  for (let rest = bytes; rest.length > 0;) {
    const end = rest.indexOf('\r\n\r\n')
    const [statusLine = '', ...lines] = rest.toString('latin1', 0, Math.max(end, 0)).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
    if (end < 0 || Number.isNaN(status)) throw new Error(`no response: ${rest.toString('latin1', 0, 200)}`)
    const headers = new Map(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    )
    rest = rest.subarray(end + 4)
    // Whether it answers a HEAD is not always clear from what was sent.
    const hasBody = rest.length > 0 && rest.toString('latin1', 0, 9) !== 'HTTP/1.1 '
    const length = hasBody ? Number(headers.get('content-length') ?? 0) : 0
    if (hasBody && length === 0)
      throw new Error(`bytes after a response without a body: ${rest.toString('latin1', 0, 200)}`)
    responses.push({ status, headers, body: rest.subarray(0, length) })
    rest = rest.subarray(length)
  }
  return responses
}
