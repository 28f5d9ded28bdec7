import type { BlobBody } from '../../ports/upstream.ts'

/** Each place has entity tags of its own. The digest says whether the bytes are the same. */
export function withoutTag(body: BlobBody | undefined): BlobBody | undefined {
  if (body?.etag === undefined) return body
  const { etag: _, ...rest } = body
  return { ...rest, [Symbol.asyncIterator]: () => body[Symbol.asyncIterator]() }
}
