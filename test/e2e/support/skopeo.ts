import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../../../src/oci/digest.ts'
import { type Image, REPOSITORY } from './images.ts'
import { flags, type Outcome, run } from './processes.ts'

export interface SkopeoPull extends Outcome {
  /** Asserts that it brought all of the image. */
  assertWhole(): Promise<void>
}

export interface SkopeoImage extends Pick<Image, 'tag' | 'content'> {
  /** An index with all its platforms, not the image of this machine alone. */
  readonly isWhole?: boolean
}

/** Pulls `image` from the registry at `authority`, into a folder of its own in `folder`. */
export async function pullWithSkopeo(
  folder: string,
  authority: string,
  { tag, content, isWhole = false }: SkopeoImage,
): Promise<SkopeoPull> {
  const own = await mkdtemp(join(folder, 'skopeo-'))
  const out = join(own, 'out')
  const policy = join(own, 'policy.json')
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  const source = `docker://${authority}/${REPOSITORY}:${tag}`
  const args = [
    ...flags({ policy }),
    'copy',
    ...flags({ all: isWhole, 'src-tls-verify': false }),
    source,
    `dir:${out}`,
  ]
  const outcome = await run('skopeo', args, { TMPDIR: own, HOME: own, XDG_RUNTIME_DIR: own })
  return {
    ...outcome,
    async assertWhole() {
      assert.equal(outcome.code, 0, outcome.stderr)
      const files = (await readdir(out)).filter((file) => file !== 'version')
      const digests = await Promise.all(files.map(async (file) => digestOf(await readFile(join(out, file)))))
      assert.deepEqual(new Set(digests), new Set(content.keys()))
    },
  }
}
