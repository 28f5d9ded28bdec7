import { type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Asked {
  /** 0 when there was no answer. */
  readonly status: number
  readonly body: Buffer
  /** The size of the whole as the answer told it; undefined when it did not. */
  readonly total: number | undefined
  /** `hung` = neither an answer nor the end of the connection came within the deadline. */
  readonly end: 'complete' | 'broken off' | 'left' | 'hung'
  /** Upstream was out, and the answer says that it is an old one. */
  readonly isStale: boolean
}

export interface AskOptions {
  readonly method?: 'GET' | 'HEAD'
  readonly range?: string
  /** Bytes of the body after which the connection is dropped. */
  readonly leaveAfter?: number
  /** Reads no faster than this. */
  readonly bytesPerSecond?: number
  /** The address of this machine that the client has. */
  readonly from?: string
  /** Milliseconds after which the connection is dropped. */
  readonly patience?: number
}

/** Milliseconds. Above the sum of all attempts and waits that the soak's configuration allows for its largest blob. */
const DEADLINE = 90_000

/** One request on a connection of its own; whatever happens to it is an outcome. */
export function ask(url: string, options: AskOptions = {}): Promise<Asked> {
  const { method = 'GET', range, leaveAfter = Infinity, bytesPerSecond, from, patience } = options
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let status = 0
    let length = 0
    let isStale = false
    let total: number | undefined
    const headers = range === undefined ? {} : { range }
    const asked = request(url, { method, agent: false, headers, ...(from && { localAddress: from }) })
    const finish = (end: Asked['end']) => {
      clearTimeout(timer)
      asked.destroy()
      resolve({ status, body: Buffer.concat(chunks), total, end, isStale })
    }
    const timer = setTimeout(finish, patience ?? DEADLINE, patience === undefined ? 'hung' : 'left')
    asked.on('error', () => finish('broken off'))
    asked.once('response', async (answer) => {
      status = answer.statusCode ?? 0
      total = totalOf(answer)
      isStale = String(answer.headers['cache-status']).includes('stale-if-error')
      try {
        for await (const chunk of answer as AsyncIterable<Buffer>) {
          chunks.push(chunk)
          length += chunk.length
          if (length >= leaveAfter && status < 400) return finish('left')
          if (bytesPerSecond !== undefined) await sleep((1000 * chunk.length) / bytesPerSecond)
        }
        finish(answer.complete ? 'complete' : 'broken off')
      } catch {
        finish('broken off')
      }
    })
    asked.end()
  })
}

function totalOf({ headers }: IncomingMessage): number | undefined {
  const [, ofRange] = /^bytes \d+-\d+\/(\d+)$/.exec(headers['content-range'] ?? '') ?? []
  const total = ofRange ?? headers['content-length']
  return total === undefined ? undefined : Number(total)
}
