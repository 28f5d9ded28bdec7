import { basename } from 'node:path'
import type { Copy, Dockerfile, From, Run } from 'dockerfile-ast'
import { isPlatformPattern } from '../../oci/platform.ts'
import type { WantedImage } from '../../ports/moving/warm.ts'

/** By its name, or because its first instruction is one that a Dockerfile begins with. */
export function isDockerfile(path: string, text: string): boolean {
  if (/^(?:Dockerfile|Containerfile)(?:\..+)?$|\.(?:Dockerfile|Containerfile)$/i.test(basename(path)))
    return true
  const first = text.split(/\r?\n/).find((line) => !/^\s*(?:#|$)/.test(line)) ?? ''
  return /^\s*(?:FROM\s+\S|ARG\s+\w+(?:=|\s*$))/i.test(first)
}

/** The images that a build pulls: of its stages, of what it copies and mounts from, of its syntax. */
export async function dockerfileImages(text: string): Promise<{
  readonly images: readonly WantedImage[]
  readonly problems: readonly string[]
}> {
  // Few commands need it, and it takes more memory than the rest of them.
  const { DockerfileParser } = await import('dockerfile-ast')
  const file = DockerfileParser.parse(text)
  const images: WantedImage[] = []
  const problems: string[] = []
  const stages = new Set<string>()
  const add = (written: string | null | undefined, from: string, platform?: string): void => {
    if (written === null || written === undefined || written === 'scratch') return
    if (stages.has(written.toLowerCase()) || /^\d+$/.test(written)) return
    const { image, unset } = withArguments(file, written)
    if (unset !== undefined) problems.push(`${from}: the argument ${unset} of ${written} has no default`)
    else images.push({ image, ...(platform !== undefined && { platforms: [platform] }) })
  }
  const syntax = file.getDirectives().find((directive) => directive.getName().toLowerCase() === 'syntax')
  add(syntax?.getValue(), 'syntax')
  for (const instruction of file.getInstructions()) {
    const at = `line ${instruction.getRange().start.line + 1}`
    switch (instruction.getKeyword()) {
      case 'FROM': {
        const from = instruction as From
        const platform = from.getPlatformFlag()?.getValue() ?? ''
        add(from.getImage(), at, isPlatformPattern(platform) ? platform : undefined)
        const stage = from.getBuildStage()
        if (stage !== null) stages.add(stage.toLowerCase())
        break
      }
      case 'COPY':
        add((instruction as Copy).getFromFlag()?.getValue(), at)
        break
      case 'RUN':
        for (const flag of (instruction as Run).getFlags()) {
          const from = flag.getOptions().find((option) => option.getName() === 'from')
          if (flag.getName() === 'mount') add(from?.getValue(), at)
        }
    }
  }
  return { images, problems }
}

/** Only arguments before the first stage count in names of images, and those have the defaults given there. */
function withArguments(file: Dockerfile, text: string): { readonly image: string; readonly unset?: string } {
  const defaults = new Map<string, string | null>()
  for (const argument of file.getInitialARGs()) {
    const property = argument.getProperty()
    if (property !== null) defaults.set(property.getName(), property.getValue())
  }
  let unset: string | undefined
  const image = text.replaceAll(ARGUMENT, (_, plain?: string, name?: string, how?: string, word = '') => {
    const argument = plain ?? name ?? ''
    const value = defaults.get(argument)
    const isSet = value !== null && value !== undefined && value !== ''
    if (how === ':+') return isSet ? word : ''
    if (isSet) return value
    if (how === ':-') return word
    unset ??= argument
    return ''
  })
  return unset === undefined ? { image } : { image, unset }
}

const ARGUMENT = /\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:[-+])([^}]*))?\})/g
