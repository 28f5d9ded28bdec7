import type { ErrorCode } from '../../oci/errors.ts'
import type { UpstreamReport } from '../../ports/insight/insight.ts'
import type { AnswerReport, TagReport, Why } from '../../ports/insight/why.ts'
import type { Answer } from '../answers.ts'
import { causeOf } from '../cause.ts'
import { isoText } from '../status.ts'
import type { Facts, TagFacts } from './facts.ts'
import { platformReport, pullReport } from './pull.ts'
import { verdictOf } from './verdict.ts'

export interface Lifetime {
  readonly ttl: number
  readonly ttlFrom: 'use' | 'fetch'
}

/** The answer to "why", from all that is known. */
export function whyOf(facts: Facts, lifetime: Lifetime, upstream: UpstreamReport): Why {
  const { image, route, access, tag, history, content, pinnedBy, answers, byEndpoint } = facts
  return {
    image,
    ...verdictOf(facts),
    route,
    access,
    deniedBy: null,
    upstream,
    tag: tag ? tagReport(tag) : null,
    history: history.map(({ at, digest }) => ({ at: isoText(at), digest })),
    stored: content
      ? {
          digest: content.digest,
          storedAt: isoText(content.storedAt),
          lastUsed: isoText(content.lastUsed),
          hits: content.hits,
          platforms: content.platforms.map(platformReport),
        }
      : null,
    pinnedBy: pinnedBy ?? null,
    evictedAt: content && pinnedBy === undefined ? isoText(evictionOf(content, lifetime)) : null,
    pull: pullReport(facts),
    answers: (byEndpoint.length > 0 ? byEndpoint : answers).map((answer) =>
      answerReport(facts.repository.upstream, answer),
    ),
  }
}

function evictionOf(
  { storedAt, lastUsed }: NonNullable<Facts['content']>,
  { ttl, ttlFrom }: Lifetime,
): number {
  return (ttlFrom === 'use' ? lastUsed : storedAt) + ttl
}

function tagReport({ digest, state, ttl, checkedAt, servedUntil, goneAt, held }: TagFacts): TagReport {
  return {
    digest,
    state,
    ttl,
    checkedAt: isoText(checkedAt),
    servedUntil: isoText(servedUntil),
    deletedAt: goneAt === undefined ? null : isoText(goneAt),
    coolDown: held ? { served: held.digest, until: isoText(held.until) } : null,
  }
}

function answerReport(upstream: string, answer: Answer & { readonly endpoint?: string }): AnswerReport {
  const { at, endpoint = null, kind, reference = null, outcome, detail, milliseconds } = answer
  return { at: isoText(at), endpoint, kind, reference, said: saidBy(upstream, outcome, detail), milliseconds }
}

function saidBy(upstream: string, outcome: Answer['outcome'], detail: Answer['detail']): string {
  if (outcome === 'found') return 'found'
  if (outcome === 'absent') return 'does not exist'
  return causeOf(upstream, outcome as ErrorCode, detail ?? {}).cause
}
