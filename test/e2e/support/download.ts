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
