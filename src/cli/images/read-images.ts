import { readFileSync } from 'node:fs'
import { text as textOf } from 'node:stream/consumers'
import { isPlatformPattern } from '../../oci/platform.ts'
import type { WantedImage } from '../../ports/moving/warm.ts'
import { parseJsonObject } from '../../util/json-object.ts'
import { composeImages, isCompose } from './compose-file.ts'
import { dockerfileImages, isDockerfile } from './dockerfile.ts'
import { isKubernetes, kubernetesImages } from './kubernetes-file.ts'
import { documentsIn } from './yaml-documents.ts'

/** The images that a file names. */
export interface ReadImages {
  readonly images: readonly WantedImage[]
  /** What kind of file it is. */
  readonly kind: 'list' | 'compose' | 'Kubernetes' | 'Dockerfile' | 'lock'
  /** What it names and cannot be fetched, one clause each. */
  readonly problems: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

/** Bytes. Longer files name no images. */
const LONGEST = 16 * 1024 * 1024

/**
 * Reads a list of images, one a line; a compose file; Kubernetes manifests; a Dockerfile; or the lock file of
 * a run. `-` is the standard input.
 *
 * @param env what a compose file's variables are
 * @throws Error that names the file
 */
export async function readImages(path: string, env: Environment): Promise<ReadImages> {
  const text = path === '-' ? await textOf(process.stdin) : readFileSync(path, 'utf8')
  if (text.length > LONGEST) throw new Error(`${path} is too long to be a list of images`)
  try {
    const found = await imagesIn(path, text, env)
    const unique = new Map(found.images.map((one) => [JSON.stringify(one), one]))
    return { ...found, images: [...unique.values()] }
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error })
  }
}

/** What a text names. `path` may tell what it is. */
export async function imagesIn(path: string, text: string, env: Environment): Promise<ReadImages> {
  if (isDockerfile(path, text)) return { kind: 'Dockerfile', ...(await dockerfileImages(text)) }
  const isJson = /^\s*[[{]/.test(text)
  const documents = isJson ? [parseJsonObject(text) ?? {}] : yamlIn(path, text)
  if (documents.some(isKubernetes)) return { kind: 'Kubernetes', ...kubernetesImages(documents) }
  if (documents.some(isCompose)) return { kind: 'compose', ...composeImages(documents, env) }
  return isJson ? { kind: 'lock', ...lockImages(text) } : { kind: 'list', ...listedImages(text) }
}

/** A list is no YAML, but a file that says so by its name has to be some. */
function yamlIn(path: string, text: string): ReturnType<typeof documentsIn> {
  try {
    return documentsIn(text)
  } catch (error) {
    if (/\.ya?ml$/i.test(path)) throw error
    return []
  }
}

/** One image a line, and perhaps its platform; `#` begins a comment. */
function listedImages(text: string): Pick<ReadImages, 'images' | 'problems'> {
  const images: WantedImage[] = []
  const problems: string[] = []
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const [image, ...rest] = line
      .replace(/(?:^|\s)#.*$/, '')
      .split(/\s+/)
      .filter(Boolean)
    if (image === undefined) continue
    const platforms = rest.flatMap((part) => part.split(','))
    if (platforms.every(isPlatformPattern)) images.push({ image, ...(platforms.length > 0 && { platforms }) })
    else problems.push(`line ${i + 1} is no image: ${line.slice(0, 100)}`)
  }
  return { images, problems }
}

/** `[…]` or `{"images": […]}` of texts, or of `{name, tag, digest, platform}`. */
function lockImages(text: string): Pick<ReadImages, 'images' | 'problems'> {
  const parsed: unknown = text.trimStart().startsWith('[')
    ? JSON.parse(text)
    : parseJsonObject(text)?.['images']
  if (!Array.isArray(parsed)) throw new Error('is no list of images: its JSON has no `images`')
  const images: WantedImage[] = []
  const problems: string[] = []
  for (const [i, entry] of parsed.entries()) {
    const {
      name,
      image = name,
      tag,
      digest,
      platform,
      platforms = [platform],
    } = Object(entry) as Record<string, unknown>
    const written = typeof entry === 'string' ? entry : typeof image === 'string' ? image : undefined
    if (written === undefined) {
      problems.push(`entry ${i + 1} names no image`)
      continue
    }
    const tagged = typeof tag === 'string' && !/[:@][^/]*$/.test(written) ? `${written}:${tag}` : written
    const whole = typeof digest === 'string' && !tagged.includes('@') ? `${tagged}@${digest}` : tagged
    const given = [platforms].flat().filter((one) => typeof one === 'string' && isPlatformPattern(one))
    images.push({ image: whole, ...(given.length > 0 && { platforms: given as string[] }) })
  }
  return { images, problems }
}
