import type { z } from 'zod'
import { parseImagePattern } from '../oci/image-pattern.ts'
import { nearest } from './nearest.ts'
import type { Issues, KeyPath } from './issues.ts'
import type { fileSchema } from './schema/file-schema.ts'
import type { Upstreams } from './upstreams/upstreams.ts'

type FileContent = Pick<z.output<typeof fileSchema>, 'access' | 'cache' | 'views' | 'mirror' | 'replicate'>

/**
 * A line for each pattern that names an upstream that there is not: no image can match it. That is no
 * mistake of the file, for the upstream may have been removed, or be one of another site.
 */
export function idlePatterns(content: FileContent, upstreams: Upstreams, issues: Issues): readonly string[] {
  const names = Object.keys(upstreams)
  return patternsIn(content, names).flatMap(({ path, upstream }) => {
    if (upstream.includes('*') || names.includes(upstream)) return []
    const owner = Object.values(upstreams).find(({ aliases }) => aliases.includes(upstream))
    const meant = owner?.name ?? nearest(upstream, names)
    const hint = meant === undefined ? `the upstreams are ${names.join(', ')}` : `did you mean ${meant}?`
    const what =
      owner === undefined ? 'is no upstream' : `is an alias of ${owner.name}, and patterns have its name`
    return [issues.value(path, `${upstream} ${what}, so nothing matches it: ${hint}`).message]
  })
}

interface Named {
  readonly path: KeyPath
  readonly upstream: string
}

function patternsIn({ access, cache, views, mirror, replicate }: FileContent, names: readonly string[]) {
  const images = (path: KeyPath, text: string): Named => ({
    path,
    upstream: firstOf(parseImagePattern(text, names)!.text),
  })
  return [
    ...(access.rules ?? []).flatMap(({ repositories }, i) =>
      repositories.map((text, j): Named => ({
        path: ['access', 'rules', i, 'repositories', j],
        upstream: firstOf(text),
      })),
    ),
    ...cache.pin.map((text, i) => images(['cache', 'pin', i], text)),
    ...cache.coolDown.map(({ match }, i) => images(['cache', 'coolDown', i, 'match'], match)),
    ...cache.keepDeleted.map((text, i) => images(['cache', 'keepDeleted', i], text)),
    ...views.retain.map(({ match }, i) => images(['views', 'retain', i, 'match'], match)),
    ...mirror.flatMap((rule, i) => rule.images.map((text, j) => images(['mirror', i, 'images', j], text))),
    ...replicate.flatMap((rule, i) =>
      rule.images.map((text, j) => images(['replicate', i, 'images', j], text)),
    ),
  ]
}

function firstOf(text: string): string {
  return text.split('/', 1)[0]!.toLowerCase()
}
