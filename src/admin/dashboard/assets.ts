import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import type { AdminEnv } from '../refuse.ts'

/** A file of another package that pages load, as it is. */
export interface DashboardAsset {
  /** Relative to the pages, `uplot.js`. */
  readonly path: string
  readonly mediaType: string
  readonly read: () => Promise<Buffer>
}

/** Serves the files from memory. Each is read when it is first asked for. */
export function assetRoutes(assets: readonly DashboardAsset[]): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>()
  for (const { path, mediaType, read } of assets) {
    let known: Promise<{ readonly bytes: Buffer; readonly etag: string }> | undefined
    const load = async () => {
      const bytes = await read()
      return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }
    }
    app.get(`/${path}`, async (c) => {
      const { bytes, etag } = await (known ??= load())
      const headers = { ETag: etag, 'Cache-Control': 'no-cache' }
      if (c.req.header('if-none-match') === etag) return c.body(null, 304, headers)
      return c.body(new Uint8Array(bytes), 200, { ...headers, 'Content-Type': mediaType })
    })
  }
  return app
}
