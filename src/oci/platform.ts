import { glob } from '../util/glob.ts'

export const PLATFORM_MUST = "must be a platform such as linux/amd64, linux/arm64/v8 or 'linux/*'"

/** Whether it is a platform `os/architecture[/variant]`, or a pattern of platforms. */
export function isPlatformPattern(text: string): boolean {
  return text.length <= 100 && /^[a-z0-9._*-]+(?:\/[a-z0-9._*-]+){1,2}$/.test(text)
}

/**
 * Whether a platform is meant by a pattern. A pattern without a variant means all of them: `linux/arm` is
 * `linux/arm/v6` too. The variant v8 of arm64 need not be written (containerd platforms, `Normalize`).
 */
export function platformMatcher(pattern: string): (platform: string) => boolean {
  const wanted = normalized(pattern)
  const isWanted = glob(wanted)
  const isVariantOpen = wanted.split('/').length === 2
  return (platform) => {
    const parts = normalized(platform).split('/')
    return isWanted(parts.join('/')) || (isVariantOpen && isWanted(parts.slice(0, 2).join('/')))
  }
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', i386: '386' }

function normalized(platform: string): string {
  const [os = '', written = '', variant] = platform.split('/')
  const architecture = ARCHITECTURES[written] ?? written
  const isImplied = variant === undefined || (architecture === 'arm64' && variant === 'v8')
  return `${os}/${architecture}${isImplied ? '' : `/${variant}`}`
}
