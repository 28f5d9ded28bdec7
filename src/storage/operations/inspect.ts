import type { Digest } from '../../oci/digest.ts'
import { createdOf, platformOf, partsIn, type Part } from '../../oci/manifest-parts.ts'
import type { Inspect, PlatformContent } from '../../ports/operations.ts'
import { yieldEvery } from '../../util/async/yield-every.ts'
import type { Files } from '../files.ts'
import type { Query } from '../index/sql.ts'
import type { Paths } from '../paths.ts'
import { ignoreNotFound } from '../storage-operation.ts'

export interface InspectOptions {
  readonly files: Pick<Files, 'open'>
  readonly paths: Pick<Paths, 'blob'>
  readonly query: Query
}

interface Row {
  readonly size: number
  readonly storedAt: number
  readonly lastUsed: number
  readonly hits: number
}

/** Bytes of a manifest or a config that are read. Registries refuse longer manifests. */
const LONGEST = 4 * 1024 * 1024
/** Platforms of an index that are listed. */
const MOST_PLATFORMS = 200
/** Config and layers of all platforms together, after which no other platform is listed. */
const MOST_PARTS = 20_000

/** Reads the manifests of an image from their files, which is no use of them. */
export function createInspect({ files, paths, query }: InspectOptions): Inspect {
  return async (digest) => {
    const row = await rowOf(digest)
    // An image of schema 1 is what it was converted to: that says what it is for, and how large its layers are.
    const seen = (await convertedFrom(digest)) ?? digest
    const body = row && (await read(seen))
    if (row === undefined || body === undefined) return undefined
    const pause = yieldEvery()
    const { manifests, content } = partsIn(body)
    const platforms: PlatformContent[] = []
    let parts = 0
    if (manifests.length === 0) platforms.push(await platformContent(seen, content))
    for (const { digest, platform } of manifests.slice(0, MOST_PLATFORMS)) {
      if (parts >= MOST_PARTS) break
      const child = await read(digest)
      platforms.push(
        child === undefined
          ? {
              platform: platform ?? 'unknown',
              digest,
              isStored: false,
              size: 0,
              parts: [],
              missing: [],
              layers: 0,
            }
          : await platformContent(digest, partsIn(child).content, platform),
      )
      parts += platforms.at(-1)!.layers
      await pause()
    }
    return { digest, ...row, platforms }
  }

  async function platformContent(
    digest: Digest,
    content: readonly Part[],
    listed?: string,
  ): Promise<PlatformContent> {
    const missing: Part[] = []
    const config = content[0] && (await read(content[0].digest))
    const platform = listed ?? (config && platformOf(config)) ?? 'unknown'
    const created = config && createdOf(config)
    const pause = yieldEvery()
    for (const part of content) {
      if ((await rowOf(part.digest)) === undefined) missing.push(part)
      await pause()
    }
    return {
      platform,
      digest,
      isStored: true,
      size: content.reduce((sum, { size }) => sum + size, 0),
      parts: content.map(({ digest, size }) => ({ digest, size })),
      missing: missing.map(({ digest, size }) => ({ digest, size })),
      layers: content.length,
      ...(created !== undefined && { created }),
    }
  }

  async function convertedFrom(source: Digest): Promise<Digest | undefined> {
    return query((sql) => sql.findConversion.get(source)?.['manifest'] as Digest | undefined)
  }

  async function rowOf(digest: Digest): Promise<Row | undefined> {
    const row = await query((sql) => sql.contentUse.get(digest))
    return row && ({ ...row } as unknown as Row)
  }

  async function read(digest: Digest): Promise<Buffer | undefined> {
    const file = await files.open(paths.blob(digest), 'r').catch(ignoreNotFound)
    if (file === undefined) return undefined
    try {
      const size = await file.size()
      if (size > LONGEST) return undefined
      const body = Buffer.alloc(size)
      let end = 0
      for (let count; end < size && (count = await file.read(body.subarray(end), end)) > 0; end += count);
      return body.subarray(0, end)
    } finally {
      await file.close()
    }
  }
}
