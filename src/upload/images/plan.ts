import { type ImageName, imageText } from '../../oci/image-pattern.ts'
import { isRepositoryName } from '../../oci/reference.ts'
import type { Image } from '../../ports/operations.ts'
import type { PushRequest } from '../../ports/moving/push.ts'
import { yieldEvery } from '../../util/async/yield-every.ts'

export interface PlannedImage {
  readonly image: Image
  /** As the destination names its repository. */
  readonly repository: string
}

/** How many images are named in a message. */
const NAMED = 3

/**
 * Where each image lands. An image that several patterns match is pushed once.
 *
 * @throws Error when images of two upstreams would get the same name, or a name is none
 */
export async function plan(
  images: readonly Image[],
  { to, withUpstream }: Pick<PushRequest, 'to' | 'withUpstream'>,
): Promise<readonly PlannedImage[]> {
  const pause = yieldEvery()
  const planned = new Map<string, PlannedImage>()
  const owners = new Map<string, string>()
  const clashes = new Set<string>()
  for (const image of images) {
    await pause()
    const { upstream, name } = image.repository
    const repository = targetName(image, to.path, withUpstream)
    if (!isRepositoryName(repository)) {
      const what = withUpstream ? 'its upstream' : 'DESTINATION'
      throw new Error(`${imageText(image)} cannot be named ${repository} there: change ${what}`)
    }
    if ((owners.get(repository) ?? upstream) !== upstream) clashes.add(name)
    owners.set(repository, upstream)
    planned.set(imageText(image), { image, repository })
  }
  if (clashes.size > 0) {
    const named = [...clashes].slice(0, NAMED).join(', ')
    const more = clashes.size > NAMED ? ` and ${clashes.size - NAMED} more` : ''
    throw new Error(
      `images of different upstreams have the same name: ${named}${more}: push those of one upstream, or use --with-upstream`,
    )
  }
  return [...planned.values()]
}

/** The name of a registry may have a port, for which a repository's has no place. */
function targetName(
  { repository: { upstream, name } }: ImageName,
  path: string,
  withUpstream: boolean,
): string {
  const parts = [path, ...(withUpstream ? [upstream.replaceAll(':', '-').toLowerCase()] : []), name]
  return parts.filter((part) => part !== '').join('/')
}
