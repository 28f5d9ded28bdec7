/** What clients ask registries, as reference/clients.md has it for each of them, and what they see of the answers. */
import { digestOf } from '../../src/oci/digest.ts'
import { type RawResponse, call } from '../support/raw-client.ts'
import { type Known, REPOSITORY, SBOM, SIGNATURE } from './content.ts'

export interface ClientCall {
  readonly description: string
  readonly method: 'GET' | 'HEAD'
  readonly path: string
  readonly headers?: readonly string[]
}

const ACCEPT =
  'Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, */*'
const NOWHERE = digestOf(Buffer.from('this is nowhere'))

export function clientCalls({ manifest, index, blob, empty, tags }: Known): readonly ClientCall[] {
  const root = `/v2/${REPOSITORY}`
  const get = (description: string, path: string, ...headers: string[]): ClientCall => ({
    description,
    method: 'GET',
    path: `${root}/${path}`,
    headers,
  })
  const head = (description: string, path: string, ...headers: string[]): ClientCall => ({
    ...get(description, path, ...headers),
    method: 'HEAD',
  })
  const middle = tags[100]!
  return [
    head('resolve a tag', 'manifests/latest', ACCEPT),
    get('resolve a tag', 'manifests/v1.0', ACCEPT),
    get('index by digest', `manifests/${index}`, ACCEPT),
    head('image by digest', `manifests/${manifest}`, ACCEPT),
    get('image by digest', `manifests/${manifest}`, ACCEPT),
    head('blob', `blobs/${blob}`),
    get('a range of a cold blob', `blobs/${blob}`, 'Range: bytes=100-299'),
    get('blob', `blobs/${blob}`),
    get('the rest of a blob', `blobs/${blob}`, 'Range: bytes=299900-'),
    get('the end of a blob', `blobs/${blob}`, 'Range: bytes=-7'),
    get('past the end of a blob', `blobs/${blob}`, 'Range: bytes=300000-'),
    head('empty blob', `blobs/${empty}`),
    get('empty blob, as containerd 2.1.0 asks', `blobs/${empty}`, 'Range: bytes=0-'),
    get('all tags', 'tags/list'),
    get('a page of tags', 'tags/list?n=60'),
    get('the next page of tags', `tags/list?n=60&last=${middle}`),
    get('the last page of tags', `tags/list?n=1000&last=${middle}`),
    get('tags after one that is not there', `tags/list?n=3&last=c`),
    get('more tags than there are, as ggcr asks', 'tags/list?n=1000'),
    get('more tags than most registries give, as renovate asks', 'tags/list?n=10000'),
    get('no tags', 'tags/list?n=0'),
    get('tags after the last', `tags/list?last=${tags.at(-1)}`),
    get('referrers', `referrers/${manifest}`),
    get('signatures', `referrers/${manifest}?artifactType=${encodeURIComponent(SIGNATURE)}`),
    get('SBOMs', `referrers/${manifest}?artifactType=${encodeURIComponent(SBOM)}`),
    get('referrers of another type', `referrers/${manifest}?artifactType=application%2Fother`),
    get('referrers of what has none', `referrers/${index}`),
    get('referrers of what is nowhere', `referrers/${NOWHERE}`),
    get('the referrers tag', `manifests/${manifest.replace(':', '-')}`, ACCEPT),
    head('a tag that is nowhere', 'manifests/nowhere', ACCEPT),
    get('a signature tag that is nowhere', `manifests/${manifest.replace(':', '-')}.sig`, ACCEPT),
    get('a manifest that is nowhere', `manifests/${NOWHERE}`, ACCEPT),
    head('a blob that is nowhere', `blobs/${NOWHERE}`),
    get('a blob that is nowhere', `blobs/${NOWHERE}`),
    { description: 'tags of nothing', method: 'GET', path: '/v2/org/nothing/tags/list' },
  ]
}

/** Headers that clients read. */
const READ = [
  'content-type',
  'content-length',
  'content-range',
  'content-encoding',
  'docker-content-digest',
  'etag',
  'accept-ranges',
  'link',
  'oci-filters-applied',
  'www-authenticate',
  'transfer-encoding',
]

/** What a client sees, so that two answers that are the same to it are equal. */
export async function seen(port: number, { method, path, headers }: ClientCall): Promise<object> {
  const answer = await call(port, method, path, headers)
  const read = Object.fromEntries(READ.map((name) => [name, answer.headers[name]]))
  if (answer.status >= 400)
    return { status: answer.status, 'content-type': read['content-type'], code: codeOf(answer, method) }
  if (path.includes('/referrers/'))
    return { status: answer.status, ...read, 'content-length': undefined, ...listed(answer) }
  return { status: answer.status, ...read, body: method === 'HEAD' ? undefined : digestOf(answer.body) }
}

function codeOf({ body }: RawResponse, method: string): unknown {
  return method === 'HEAD' ? undefined : JSON.parse(body.toString()).errors[0].code
}

/** The order of referrers means nothing. */
function listed({ body }: RawResponse): object {
  const { manifests, ...index } = JSON.parse(body.toString()) as { manifests: { digest: string }[] }
  return { ...index, manifests: manifests.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)) }
}

/** All tags, by following `Link` from page to page as clients do. */
export async function followed(port: number, n?: number): Promise<string[]> {
  const tags: string[] = []
  let path: string | undefined = `/v2/${REPOSITORY}/tags/list${n === undefined ? '' : `?n=${n}`}`
  for (let pages = 0; path !== undefined; pages++) {
    if (pages > 500) throw new Error('the pages never end')
    const answer: RawResponse = await call(port, 'GET', path)
    if (answer.status !== 200) throw new Error(`${answer.status} for ${path}: ${answer.body}`)
    tags.push(...JSON.parse(answer.body.toString()).tags)
    path = /^<([^>]*)>; rel="next"$/.exec(answer.headers['link'] ?? '')?.[1]
  }
  return tags
}
