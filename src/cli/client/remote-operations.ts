import { type Dispatcher, request } from 'undici'
import type { ImageJson, PinJson, PurgedJson } from '../../admin/image-json.ts'
import type { DiskUsage, Operations, VerificationStep } from '../../ports/operations.ts'
import { imageFromJson, pinFromJson, purgedFromJson } from './from-json.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Those of the process whose admin API is at `url`. All throw Error when it does not answer, or refuses. */
export function remoteOperations(url: string): Operations {
  return {
    catalogue: {
      async images({ text }) {
        const { images } = await ask<{ images: ImageJson[] }>(
          'GET',
          `images?pattern=${encodeURIComponent(text)}`,
        )
        return images.map(imageFromJson)
      },
      usage: () => ask<DiskUsage>('GET', 'usage'),
      purge: async ({ text }, { dryRun }) =>
        purgedFromJson(await ask<PurgedJson>('POST', 'purge', { pattern: text, dryRun })),
    },
    pins: {
      async list() {
        const { pins } = await ask<{ pins: PinJson[] }>('GET', 'pins')
        return pins.map(pinFromJson)
      },
      async add({ text }) {
        const { statusCode, body } = await send('PUT', 'pins', { pattern: text })
        await body.dump()
        return statusCode === 201
      },
      async remove({ text }) {
        const { statusCode, body } = await send('DELETE', 'pins', { pattern: text }, 404)
        await body.dump()
        return statusCode === 200
      },
    },
    async *verify({ bytesPerSecond, signal }) {
      const { body } = await send('POST', 'verify', { bytesPerSecond })
      signal?.addEventListener('abort', () => body.destroy(), { once: true })
      for await (const line of linesOf(body)) {
        const step = JSON.parse(line) as VerificationStep | { readonly error: string }
        if ('error' in step) throw new Error(`${url}: ${step.error}`)
        yield step
        if (step.isDone) return
      }
      throw new Error(`${url} ended the verification before it was done`)
    },
  }

  async function ask<T>(method: Method, path: string, content?: object): Promise<T> {
    const { body } = await send(method, path, content)
    return (await body.json()) as T
  }

  /** `unless`: a status beside 2xx that is an answer too. It may take as long as it takes. */
  async function send(
    method: Method,
    path: string,
    content?: object,
    unless?: number,
  ): Promise<Dispatcher.ResponseData> {
    const answer = await request(`${url}/api/v1/${path}`, {
      method,
      headersTimeout: 0,
      bodyTimeout: 0,
      ...(content && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(content) }),
    }).catch((error: unknown) => {
      const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message
      throw new Error(
        `the process that has the store open does not answer on its admin listener ${url} (${reason})`,
        {
          cause: error,
        },
      )
    })
    if (answer.statusCode < 300 || answer.statusCode === unless) return answer
    const text = await answer.body.text()
    throw new Error(`${url} answered ${answer.statusCode}: ${reasonIn(text)}`)
  }
}

async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()!
    yield* lines
  }
}

function reasonIn(text: string): string {
  try {
    return String(Object(JSON.parse(text)).error ?? text)
  } catch (error) {
    if (error instanceof SyntaxError) return text.slice(0, 200)
    throw error
  }
}
