/**
 * What the file-system driver of distribution 2 and 3 writes below its root directory (distribution
 * registry/storage/paths.go):
 *
 *     docker/registry/v2/blobs/sha256/ab/<hex>/data
 *     docker/registry/v2/repositories/<name>/_layers/sha256/<hex>/link
 *     docker/registry/v2/repositories/<name>/_manifests/revisions/sha256/<hex>/link
 *     docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link
 */
import { type Dirent, readdirSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ALGORITHMS, algorithmOf, type Digest, hexOf, isDigest } from '../../oci/digest.ts'
import { isRepositoryName, isTag } from '../../oci/reference.ts'
import { codeOf, ignoreNotFound } from '../storage-operation.ts'

export interface Registry2Repository {
  readonly name: string
  readonly manifests: readonly Digest[]
  readonly layers: readonly Digest[]
  readonly tags: readonly Registry2Tag[]
}

export interface Registry2Tag {
  readonly tag: string
  readonly digest: Digest
  /** Epoch milliseconds. */
  readonly writtenAt: number
}

export interface Registry2Layout {
  blob(digest: Digest): string
  /** In the order of their names. */
  repositories(): AsyncGenerator<Registry2Repository>
}

/** @throws Error when the folder is none of a registry */
export function registry2Layout(folder: string): Registry2Layout {
  const base = join(folder, 'docker', 'registry', 'v2')
  const root = join(base, 'repositories')
  try {
    readdirSync(root)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error
    throw new Error(`${folder} is no store of registry:2: it has no docker/registry/v2/repositories`, {
      cause: error,
    })
  }
  return {
    blob: (digest) =>
      join(base, 'blobs', algorithmOf(digest), hexOf(digest).slice(0, 2), hexOf(digest), 'data'),
    repositories: () => below(''),
  }

  async function* below(name: string): AsyncGenerator<Registry2Repository> {
    const folders = await foldersIn(join(root, name))
    const isRepository = folders.includes('_layers') || folders.includes('_manifests')
    if (isRepository && isRepositoryName(name)) yield await repository(name)
    for (const part of folders.filter((part) => !part.startsWith('_')))
      yield* below(name === '' ? part : `${name}/${part}`)
  }

  async function repository(name: string): Promise<Registry2Repository> {
    const at = join(root, name)
    const tags = join(at, '_manifests', 'tags')
    const names = (await foldersIn(tags)).filter(isTag)
    const found = await Promise.all(names.map((tag) => readTag(tag, join(tags, tag, 'current', 'link'))))
    return {
      name,
      manifests: await digestsIn(join(at, '_manifests', 'revisions')),
      layers: await digestsIn(join(at, '_layers')),
      tags: found.filter((tag) => tag !== undefined),
    }
  }
}

async function readTag(tag: string, link: string): Promise<Registry2Tag | undefined> {
  const text = await readFile(link, 'utf8').catch(ignoreNotFound)
  const digest = text?.trim() ?? ''
  if (!isDigest(digest)) return undefined
  return { tag, digest, writtenAt: Math.floor((await stat(link)).mtimeMs) }
}

/** A link that was deleted leaves its folder. */
async function digestsIn(folder: string): Promise<readonly Digest[]> {
  const found: Digest[] = []
  for (const algorithm of ALGORITHMS) {
    for (const hex of await foldersIn(join(folder, algorithm))) {
      const digest = `${algorithm}:${hex}`
      const names = isDigest(digest) ? await readdir(join(folder, algorithm, hex)) : []
      if (names.includes('link')) found.push(digest as Digest)
    }
  }
  return found
}

/** Names in order; none when there is no such folder. Symbolic links are not followed. */
async function foldersIn(folder: string): Promise<readonly string[]> {
  const entries: readonly Dirent[] =
    (await readdir(folder, { withFileTypes: true }).catch(ignoreNotFound)) ?? []
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()
}
