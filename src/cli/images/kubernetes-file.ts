import type { WantedImage } from '../../ports/moving/warm.ts'
import { isMapping } from './yaml-documents.ts'

type Document = Readonly<Record<string, unknown>>

export function isKubernetes({ apiVersion, kind }: Document): boolean {
  return typeof apiVersion === 'string' && typeof kind === 'string'
}

/**
 * Every `image` of the manifests: of containers wherever they are, of custom resources that name one, and of
 * image volumes (`volumes[].image.reference`).
 */
export function kubernetesImages(documents: readonly Document[]): {
  readonly images: readonly WantedImage[]
  readonly problems: readonly string[]
} {
  const images: WantedImage[] = []
  for (const document of documents.filter(isKubernetes)) collect(document)
  return { images, problems: [] }

  function collect(value: unknown): void {
    if (Array.isArray(value)) {
      for (const element of value) collect(element)
      return
    }
    if (!isMapping(value)) return
    const { image } = value
    const found = isMapping(image) ? image['reference'] : image
    if (typeof found === 'string' && found !== '') images.push({ image: found })
    for (const member of Object.values(value)) collect(member)
  }
}
