import { get, type IncomingMessage } from 'node:http'
import { type Digest, digestFrom, hasherFor } from '../../../src/oci/digest.ts'

/** Where the proxy has a blob of `library/app`, the repository of all tests here. */
export function blobUrl({ url }: { readonly url: string }, digest: Digest): string {
  return `${url}/v2/library/app/blobs/${digest}`
}

export interface Download {
  readonly status: number
  readonly bytes: number
  readonly digest: Digest
}

/** Downloads without keeping anything but the hash. @throws when the body breaks off */
export async function download(url: string): Promise<Download> {
  const response = await begin(url)
  const hash = hasherFor()
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { status: response.statusCode ?? 0, bytes, digest: digestFrom(hash) }
}

/** Reads `bytes` of the body, and then nothing. @returns what reads the rest */
export async function stopAfter(url: string, bytes: number): Promise<() => Promise<Download>> {
  const response = await begin(url)
  const hash = hasherFor()
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
  let read = 0
  async function readUntil(isEnough: () => boolean): Promise<void> {
    for (let step = await chunks.next(); step.done !== true; step = await chunks.next()) {
      hash.update(step.value)
      read += step.value.length
      if (isEnough()) break
    }
  }
  await readUntil(() => read >= bytes)
  return async () => {
    await readUntil(() => false)
    return { status: response.statusCode ?? 0, bytes: read, digest: digestFrom(hash) }
  }
}

/** The answer up to its headers; its body waits to be read. */
function begin(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, resolve).once('error', reject)
  })
}

/** Reads `bytes` of the body, and then leaves. */
export async function leaveAfter(url: string, bytes: number): Promise<void> {
  const response = await begin(url)
  let read = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    read += chunk.length
    if (read >= bytes) break
  }
}
