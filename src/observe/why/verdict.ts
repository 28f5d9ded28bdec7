import type { Digest } from '../../oci/digest.ts'
import type { Why } from '../../ports/insight/why.ts'
import { freshnessText } from '../../ports/insight/why-text.ts'
import { digestText, instantText } from '../../util/human.ts'
import { isoText } from '../status.ts'
import type { Facts } from './facts.ts'
import { imagesIn, isWhole } from './pull.ts'
import { type Trouble, troubleOf } from './trouble.ts'

export type Verdict = Pick<Why, 'verdict' | 'works' | 'advice'>

/** What a pull would do now, and why, in one line. */
export function verdictOf(facts: Facts): Verdict {
  const trouble = troubleOf(facts.upstream, facts.answers, referenceOf(facts))
  const verdict = isServable(facts) ? ofStored(facts, trouble) : ofMissing(facts, trouble)
  const { storeTrouble } = facts
  if (storeTrouble === undefined || verdict.works === 'no')
    return withDeletion(withCoolDown(verdict, facts), facts)
  return {
    works: verdict.works,
    verdict: `${verdict.verdict}; but ${storeTrouble.said}, so nothing new is kept`,
    advice: storeTrouble.advice,
  }
}

function withDeletion(verdict: Verdict, { tag, upstream }: Facts): Verdict {
  if (tag?.goneAt === undefined) return verdict
  const since = `${upstream.name} has deleted the tag (${instantText(isoText(tag.goneAt))}), and cache.keepDeleted keeps it`
  return {
    ...verdict,
    verdict: `${verdict.verdict}; ${since}`,
    advice: verdict.advice ?? 'pin it: once evicted it cannot be fetched again',
  }
}

function withCoolDown(verdict: Verdict, { tag, route }: Facts): Verdict {
  if (tag?.held === undefined) return verdict
  const { upstream, repository } = route
  return {
    ...verdict,
    verdict: `${verdict.verdict}; the tag has moved, and the previous digest is served until ${instantText(isoText(tag.held.until))} (cache.coolDown)`,
    advice:
      verdict.advice ?? `to serve the new one now: entrepot trust ${upstream}/${repository}@${tag.digest}`,
  }
}

export function referenceOf({ reference }: Pick<Facts, 'reference'>): string {
  return 'tag' in reference ? reference.tag : reference.digest
}

/** Whether some platform of it is whole, and the tag may be served at all. */
function isServable({ content, tag, reference }: Facts): boolean {
  const isKnown = 'digest' in reference || (tag !== undefined && tag.state !== 'expired')
  return isKnown && imagesIn(content?.platforms ?? []).some(isWhole)
}

function ofStored({ tag, upstream }: Facts, trouble: Trouble | undefined): Verdict {
  const { name } = upstream
  if (tag === undefined) {
    const gone = trouble?.kind === 'absent' ? `; ${name} does not have it any more` : ''
    const advice = gone === '' ? null : 'pin it: once evicted it cannot be fetched again'
    return { works: 'yes', verdict: `works: served from the store, with no request upstream${gone}`, advice }
  }
  if (upstream.state === 'offline') {
    return {
      works: 'yes',
      verdict: `works: served from the store, with no request upstream (${name} is offline)`,
      advice: null,
    }
  }
  if (tag.state === 'fresh') {
    const seconds = `${freshnessText(tag)} more`
    return {
      works: 'yes',
      verdict: `works: served from the store, with no request upstream (${seconds})`,
      advice: null,
    }
  }
  if (trouble?.kind === 'failing') {
    return {
      works: 'yes',
      verdict: `works until ${instantText(isoText(tag.servedUntil))}: the stored copy is served while ${name} ${trouble.cause}`,
      advice: trouble.advice,
    }
  }
  return { works: 'yes', verdict: `works: one HEAD to ${name}, then served from the store`, advice: null }
}

function ofMissing(facts: Facts, trouble: Trouble | undefined): Verdict {
  const { upstream, reference } = facts
  const { name } = upstream
  if (trouble?.kind === 'failing') {
    return {
      works: 'no',
      verdict: `fails: ${name} ${trouble.cause}, and ${lackOf(facts)}`,
      advice: trouble.advice,
    }
  }
  if (trouble?.kind === 'absent') {
    if ('digest' in reference) {
      const kept = facts.pinnedBy === undefined ? '' : `; the pin ${facts.pinnedBy} cannot bring it back`
      return {
        works: 'no',
        verdict: `fails: ${name} does not have this digest, and ${lackOf(facts)}${kept}`,
        advice: `take another digest: entrepot history ${facts.route.upstream}/${facts.route.repository}:TAG tells what the tags pointed to`,
      }
    }
    const before = facts.history[0]
    const was = before === undefined ? '' : ` (it did when it was seen on ${instantText(isoText(before.at))})`
    return {
      works: 'no',
      verdict: `fails: ${name} says that it does not exist${was}`,
      advice: 'check the spelling of the name and of the tag',
    }
  }
  const gone = goneUpstream(facts)
  if (gone !== undefined) {
    return {
      works: 'no',
      verdict: `fails: ${name} does not have ${digestText(gone)}, which is a part of it`,
      advice: `push the image to ${name} again, or pull another tag`,
    }
  }
  if (wasStored(facts)) {
    return {
      works: 'unknown',
      verdict: `is fetched again from ${name}: ${lackOf(facts)}`,
      advice: `to keep it, pin it (entrepot pin ${facts.image}), or raise cache.ttl or storage.maxSize`,
    }
  }
  const partly = facts.content === undefined ? 'nothing of it is stored yet' : lackOf(facts)
  return { works: 'unknown', verdict: `is fetched from ${name}: ${partly}`, advice: null }
}

/** It was here once: its tag is known, or was, or upstream has sent it to us. */
function wasStored(facts: Facts): boolean {
  if (facts.content !== undefined) return false
  const { tag, history, answers } = facts
  const reference = referenceOf(facts)
  return (
    tag !== undefined ||
    history.length > 0 ||
    answers.some((answer) => answer.outcome === 'found' && answer.reference === reference)
  )
}

function lackOf(facts: Facts): string {
  const { content, tag } = facts
  if (wasStored(facts)) return 'it was evicted or purged from the store'
  if (content === undefined) return 'it is not stored'
  if (tag?.state === 'expired') return 'the stored copy is too old to be served (cache.staleIfError)'
  const [least] = imagesIn(content.platforms).toSorted((a, b) => a.missing.length - b.missing.length)
  if (least?.isStored !== true) return 'no platform of it is stored'
  const are = least.missing.length === 1 ? 'is' : 'are'
  return `${least.missing.length} of its ${least.layers} parts ${are} not stored (evicted, or never pulled)`
}

/** A part that is not stored, and of which upstream said last that it does not exist: one for each platform. */
function goneUpstream({ content, answers }: Facts): Digest | undefined {
  const isGone = (digest: Digest): boolean =>
    answers.find(({ reference }) => reference === digest)?.outcome === 'absent'
  const gone = imagesIn(content?.platforms ?? []).map(
    ({ missing }) => missing.find(({ digest }) => isGone(digest))?.digest,
  )
  return gone.every((digest) => digest !== undefined) ? gone[0] : undefined
}
