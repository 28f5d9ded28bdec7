import { type Answer, type Ask, discard, headerOf, type Question } from '../requests.ts'
import { invalidAnswer } from '../failures.ts'

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const MAX_HOPS = 5
/** What storage services say to a signed URL whose time is over. */
const EXPIRED = new Set([401, 403, 404, 410])

export interface RedirectOptions {
  readonly upstream: string
  /** The registry's own. Another port is another authority. */
  readonly origin: string
  /** Asks the registry itself, with our credentials. */
  readonly own: Ask
  /** Asks anyone else, who gets neither credentials nor cookies. */
  readonly others: Ask
}

/**
 * Follows redirects, at most five, never from https to http. A Location is used once and never stored; where a signed one has
 * expired between its making and our use, the registry is asked for another, once.
 */
export function followRedirects(options: RedirectOptions): Ask {
  return async (question) => {
    const answer = await follow(question, options)
    if (answer.url.origin === options.origin || !EXPIRED.has(answer.status)) return answer
    discard(answer)
    return follow(question, options)
  }
}

async function follow(
  question: Question,
  { upstream, origin, own, others }: RedirectOptions,
): Promise<Answer> {
  const seen = new Set<string>()
  for (let { url } = question; ;) {
    if (seen.has(url.href)) throw invalidAnswer(upstream, 'redirect loop')
    if (seen.size > MAX_HOPS) throw invalidAnswer(upstream, 'too many redirects')
    seen.add(url.href)
    const answer = await (url.origin === origin ? own : others)({ ...question, url })
    if (!REDIRECTS.has(answer.status)) return answer
    discard(answer)
    url = targetOf(answer, upstream)
  }
}

function targetOf(answer: Answer, upstream: string): URL {
  const location = headerOf(answer, 'location') ?? ''
  const target = URL.parse(location, answer.url.href)
  if (location === '' || target === null) throw invalidAnswer(upstream, 'redirect to nowhere', answer.status)
  const allowed = answer.url.protocol === 'https:' ? ['https:'] : ['https:', 'http:']
  if (!allowed.includes(target.protocol)) {
    throw invalidAnswer(upstream, `redirect to ${target.protocol}//`, answer.status)
  }
  target.username = ''
  target.password = ''
  target.hash = ''
  return target
}
