import type { z } from 'zod'
import { parseImagePattern } from '../oci/image-pattern.ts'
import { nearest } from './nearest.ts'
import type { Issues, KeyPath } from './issues.ts'
import type { fileSchema } from './schema/file-schema.ts'
import type { Upstreams } from './upstreams/upstreams.ts'
import { upstreamNames } from '../oci/upstream-names.ts'

type FileContent = Pick<z.output<typeof fileSchema>, 'access' | 'cache' | 'views' | 'mirror' | 'replicate'>

/**
 * A line for each pattern that no image can match: it names an upstream that there is not, the upstream alone,
 * or has a capital letter. That is no mistake of the file, for the upstream may have been removed, or be one
 * of another site.
 */
export function idlePatterns(content: FileContent, upstreams: Upstreams, issues: Issues): readonly string[] {
  return patternsIn(content).flatMap(({ path, text }) => {
    const reason = reasonOf(text, upstreams)
    return reason === undefined ? [] : [issues.value(path, reason).message]
  })
}

/** @returns why nothing matches; undefined when something may */
function reasonOf(text: string, upstreams: Upstreams): string | undefined {
  const names = Object.keys(upstreams)
  const known = upstreamNames(Object.values(upstreams))
  if (names.includes(text)) return `${text} is an upstream: its repositories are ${text}/**`
  const pattern = parseImagePattern(text, known)!
  const upstream = pattern.text.split('/', 1)[0]!
  if (!upstream.includes('*') && !names.includes(upstream)) {
    const meant = nearest(upstream.toLowerCase(), names)
    const hint = meant === undefined ? `the upstreams are ${names.join(', ')}` : `did you mean ${meant}?`
    return `${upstream} is no upstream, so nothing matches it: ${hint}`
  }
  // A tag may have some.
  return /[A-Z]/.test(pattern.name) ? 'names have no capital letters, so nothing matches it' : undefined
}

interface Written {
  readonly path: KeyPath
  readonly text: string
}

function written(path: KeyPath, text: string): Written {
  return { path, text }
}

function patternsIn({ access, cache, views, mirror, replicate }: FileContent): readonly Written[] {
  return [
    ...(access.rules ?? []).flatMap(({ repositories }, i) =>
      repositories.map((text, j) => written(['access', 'rules', i, 'repositories', j], text)),
    ),
    ...cache.pin.map((text, i) => written(['cache', 'pin', i], text)),
    ...cache.coolDown.map(({ match }, i) => written(['cache', 'coolDown', i, 'match'], match)),
    ...cache.keepDeleted.map((text, i) => written(['cache', 'keepDeleted', i], text)),
    ...views.retain.map(({ match }, i) => written(['views', 'retain', i, 'match'], match)),
    ...mirror.flatMap((rule, i) => rule.images.map((text, j) => written(['mirror', i, 'images', j], text))),
    ...replicate.flatMap((rule, i) =>
      rule.images.map((text, j) => written(['replicate', i, 'images', j], text)),
    ),
  ]
}
