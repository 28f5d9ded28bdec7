import { createHash } from 'node:crypto'
import { Agent, type ClientRequest, get, type IncomingMessage } from 'node:http'

export interface Pulled {
  readonly digest: string
  /** Milliseconds to the first byte of the body. */
  readonly firstByte: number
  readonly milliseconds: number
  readonly attempts: number
}

const agent = new Agent({ keepAlive: false })

/** Pulls a blob as a client does: after a failure it goes on at its byte. */
export async function pullBlob(url: string, attempts = 1): Promise<Pulled> {
  const hash = createHash('sha256')
  const begun = performance.now()
  let firstByte: number | undefined
  let received = 0
  let size: number | undefined
  let attempt = 0
  while (size === undefined || received < size) {
    attempt += 1
    try {
      const { response, request } = await ask(url, received)
      size ??= received + Number(response.headers['content-length'])
      for await (const chunk of response as AsyncIterable<Buffer>) {
        firstByte ??= performance.now() - begun
        hash.update(chunk)
        received += chunk.length
      }
      request.destroy()
    } catch (error) {
      if (attempt >= attempts) throw error
    }
    if (size !== undefined && received < size && attempt >= attempts)
      throw new Error(`cut off at ${received} of ${size}`)
  }
  return {
    digest: `sha256:${hash.digest('hex')}`,
    firstByte: firstByte ?? 0,
    milliseconds: performance.now() - begun,
    attempts: attempt,
  }
}

function ask(url: string, from: number): Promise<{ response: IncomingMessage; request: ClientRequest }> {
  return new Promise((resolve, reject) => {
    const headers = from === 0 ? {} : { range: `bytes=${from}-` }
    const request = get(url, { agent, headers }, (response) => {
      const isRight = response.statusCode === (from === 0 ? 200 : 206)
      if (isRight) return resolve({ response, request })
      response.resume()
      reject(new Error(`status ${response.statusCode}`))
    })
    request.setTimeout(60_000, () => request.destroy(new Error('no answer within a minute')))
    request.once('error', reject)
  })
}
