import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'

/** Rows of `count` tagged images of three blobs each in a thousand repositories, without files. The store is closed. */
export function manyImages(root: string, count: number, now = Date.now()): void {
  using index = new DatabaseSync(join(root, 'index.sqlite'))
  const content = index.prepare(
    'INSERT OR IGNORE INTO content (digest, size, media_type, stored_at, last_used, refs) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const link = index.prepare('INSERT OR IGNORE INTO links (upstream, repository, digest) VALUES (?, ?, ?)')
  const ref = index.prepare('INSERT INTO refs (parent, child) VALUES (?, ?)')
  const tag = index.prepare(
    'INSERT INTO tags (upstream, repository, tag, digest, checked_at, last_used) VALUES (?, ?, ?, ?, ?, ?)',
  )
  index.exec('PRAGMA synchronous = OFF; BEGIN')
  for (let i = 0; i < count; i++) {
    const repository = `org/app-${i % 1_000}`
    const manifest = digestOf(`manifest ${i}`)
    content.run(manifest, 500, OCI_MANIFEST, now, now, 3)
    link.run('ghcr.io', repository, manifest)
    tag.run('ghcr.io', repository, `v${i}`, manifest, now, now)
    for (const blob of [`base ${i % 50}`, `layer ${i}`, `config ${i}`].map(digestOf)) {
      content.run(blob, 1_000, 'application/octet-stream', now, now, null)
      link.run('ghcr.io', repository, blob)
      ref.run(manifest, blob)
    }
  }
  index.exec('COMMIT')
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}
