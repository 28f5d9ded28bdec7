import { isPlatformPattern } from '../../oci/platform.ts'
import type { WantedImage } from '../../ports/moving/warm.ts'
import { isMapping } from './yaml-documents.ts'

type Document = Readonly<Record<string, unknown>>

/** A compose file has services (compose-spec 05-services.md). */
export function isCompose({ services, kind }: Document): boolean {
  return isMapping(services) && kind === undefined
}

/** The images of the services. Those that are only built here are none. */
export function composeImages(
  documents: readonly Document[],
  env: Readonly<Record<string, string | undefined>>,
): { readonly images: readonly WantedImage[]; readonly problems: readonly string[] } {
  const images: WantedImage[] = []
  const problems: string[] = []
  for (const { services } of documents) {
    if (!isMapping(services)) continue
    for (const [name, service] of Object.entries(services)) {
      if (!isMapping(service) || typeof service['image'] !== 'string') continue
      const { image, unset } = interpolate(service['image'], env)
      if (unset !== undefined) {
        problems.push(`service ${name}: the variable ${unset} is not set`)
        continue
      }
      // What is built gets this name when it is pushed, and is not to be had before.
      if (service['build'] !== undefined) {
        problems.push(`service ${name}: ${image} is built, not pulled`)
        continue
      }
      const { platform } = service
      const isGiven = typeof platform === 'string' && isPlatformPattern(platform)
      images.push({ image, ...(isGiven && { platforms: [platform] }) })
    }
  }
  return { images, problems }
}

/** compose-spec 12-interpolation.md: `$V`, `${V}`, `${V:-default}`, `${V-default}`, `${V:+other}`, `$$`. */
function interpolate(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): { readonly image: string; readonly unset?: string } {
  let unset: string | undefined
  const image = text.replaceAll(VARIABLE, (_, plain?: string, name?: string, how?: string, word = '') => {
    const variable = plain ?? name
    if (variable === undefined) return '$'
    const value = env[variable]
    const isSet = how?.startsWith(':') === true ? value !== undefined && value !== '' : value !== undefined
    if (how?.endsWith('+') === true) return isSet ? word : ''
    if (isSet) return value!
    if (how?.endsWith('-') === true) return word
    unset ??= variable
    return ''
  })
  return unset === undefined ? { image } : { image, unset }
}

const VARIABLE = /\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+?])([^}]*))?\})/g
