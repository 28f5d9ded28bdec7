import type { PlatformReport, Why } from '../../ports/insight/why.ts'
import { freshnessText, upstreamText, withoutUpstreamText } from '../../ports/insight/why-text.ts'
import { ageText, countText, instantText, sizeText } from '../../util/human.ts'

/**
 * What `entrepot why` writes: the verdict, what to do, and then the facts. `ago`: when an instant was, from
 * now.
 */
export function whyText(why: Why, ago: (instant: string) => string, now: number): string {
  const { image, verdict, advice, access, deniedBy } = why
  const facts: readonly (readonly [string, readonly string[]])[] = [
    ['route', routeLines(why)],
    ['access', [access]],
    ['policy', [deniedBy === null ? 'allowed' : `denied by ${deniedBy}`]],
    ['upstream', why.upstream === null ? [] : [upstreamText(why.upstream, now)]],
    ['tag', tagLines(why, ago)],
    ['history', why.history.slice(0, 5).map(({ at, digest }) => `${ago(at)}  ${digest}`)],
    ['stored', storedLines(why)],
    ['kept', keptLines(why, now)],
    ['pull now', why.pull === null ? [] : [pullLine(why.pull)]],
    ['if down', why.pull === null ? [] : [withoutUpstreamText(why.pull)]],
    ['answers', answerLines(why, ago)],
  ]
  const rows = facts.flatMap(([name, lines]) =>
    lines.map((line, i) => `${(i === 0 ? name : '').padEnd(10)}${line}\n`),
  )
  return `${image}\n${verdict}\n${advice === null ? '' : `to do: ${advice}\n`}\n${rows.join('')}`
}

function routeLines({ route }: Why): readonly string[] {
  if (route === null) return []
  const { upstream, repository, endpoints, owner, rule, rewrite } = route
  const lines = [`${upstream}, repository ${repository}, at ${endpoints.join(', then ')}: ${rule}`]
  if (owner !== null) {
    const since = owner.of === 'tag' ? 'has answered for the tag' : 'has listed the tags of the repository'
    lines.push(`only ${owner.url} is asked for the tag: it ${since}`)
  }
  if (rewrite !== null) {
    const when = rewrite.always ? 'instead' : 'for what is unknown or denied'
    lines.push(`asked as ${rewrite.name} ${when} (upstreams.${upstream}.rewrite)`)
  }
  return lines
}

function tagLines({ tag }: Why, ago: (instant: string) => string): readonly string[] {
  if (tag === null) return []
  const line = `${tag.digest}, checked ${ago(tag.checkedAt)}, ${freshnessText(tag)}`
  const { coolDown } = tag
  return coolDown === null
    ? [line]
    : [line, `cool-down until ${instantText(coolDown.until)}: ${coolDown.served} is served`]
}

function storedLines({ stored }: Why): readonly string[] {
  if (stored === null) return ['nothing']
  const width = Math.max(...stored.platforms.map(({ platform }) => platform.length))
  return stored.platforms.map((platform) => `${platform.platform.padEnd(width)}  ${partsText(platform)}`)
}

function partsText({ state, parts, bytes, missing }: PlatformReport): string {
  if (state === 'missing') return 'not stored'
  if (state === 'whole') return `whole, ${countText(parts, 'part')}, ${sizeText(bytes)}`
  const left = missing.reduce((sum, { size }) => sum + size, 0)
  const first = missing.slice(0, 3).map(({ digest }) => digest.slice(0, 19))
  return `${missing.length} of ${countText(parts, 'part')} missing, ${sizeText(left)}: ${first.join(', ')}`
}

function keptLines({ pinnedBy, evictedAt, stored }: Why, now: number): readonly string[] {
  if (pinnedBy !== null) return [`pinned by ${pinnedBy}`]
  if (evictedAt === null || stored === null) return []
  const left = Date.parse(evictedAt) - now
  const when = left > 0 ? `in ${ageText(left)}` : 'by the next sweep'
  return [`not pinned; goes ${when} if nobody pulls it, or sooner when the store is full`]
}

function pullLine({ text, bytes }: NonNullable<Why['pull']>): string {
  return bytes === null || bytes === 0 ? text : `${text}, ${sizeText(bytes)}`
}

function answerLines({ answers }: Why, ago: (instant: string) => string): readonly string[] {
  return answers.map(({ at, endpoint, kind, reference, said, milliseconds }) => {
    const what = [kind, reference?.slice(0, 19)].filter(Boolean).join(' ')
    const where = endpoint === null ? '' : `${endpoint}  `
    return `${ago(at)}  ${where}${what}: ${said} (${milliseconds} ms)`
  })
}
