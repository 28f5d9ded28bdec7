import type { Digest } from '../oci/digest.ts'
import { imageText } from '../oci/image-pattern.ts'
import type { ImageContent, Inspect } from '../ports/operations.ts'
import type { DriftReport, MoveReport, MovesSince, TagMove } from '../ports/time.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import type { CoolDown } from './cool-down.ts'
import { looksImmutable } from './looks-immutable.ts'
import { moveChange } from './move-change.ts'

export interface DriftOptions {
  readonly movesSince: MovesSince
  readonly heldOf: CoolDown['heldOf']
  readonly inspect: Inspect
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Moves that are told of. */
const MOST = 1_000
/** Images that are kept in memory, since several tags often move together. One has up to 20,000 parts. */
const KEPT = 32

/** Tells which tags moved in the last `period` milliseconds. Sends no request, and is no use of the tags. */
export function createDrift({ movesSince, heldOf, inspect, now }: DriftOptions) {
  return async function drift(period: number): Promise<DriftReport> {
    const since = now() - period
    const found = await movesSince(since, MOST + 1)
    const seen = new Set<string>()
    const contents = new Map<Digest, Promise<ImageContent | undefined>>()
    const look = (digest: Digest): Promise<ImageContent | undefined> => {
      const known = contents.get(digest) ?? inspect(digest)
      if (contents.size >= KEPT) contents.clear()
      contents.set(digest, known)
      return known
    }
    const pause = yieldEvery()
    const moves: MoveReport[] = []
    for (const move of found.slice(0, MOST)) {
      const image = imageText({ ...move, digest: move.to })
      const change = moveChange(await look(move.from), await look(move.to))
      moves.push({ ...(await report(move, image, !seen.has(image))), change })
      seen.add(image)
      await pause()
    }
    return { since: isoText(since), moves, isCut: found.length > MOST }
  }

  async function report(move: TagMove, image: string, isLast: boolean): Promise<Omit<MoveReport, 'change'>> {
    const { repository, tag, at, from, to } = move
    const held = isLast ? await heldOf(repository, tag, to) : undefined
    return {
      image,
      at: isoText(at),
      from,
      to,
      looksImmutable: looksImmutable(tag),
      coolDown: held ? { served: held.digest, until: isoText(held.until) } : null,
    }
  }
}

function isoText(instant: number): string {
  return new Date(instant).toISOString()
}
