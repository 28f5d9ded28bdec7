import type { Digest } from '../oci/digest.ts'
import type { TagChange } from '../ports/metadata.ts'

export interface Settled {
  readonly digest: Digest
  /** When another digest is settled, if the tag does not move. Infinity: never. Epoch milliseconds. */
  readonly until: number
}

export interface SettledOptions {
  /** Milliseconds that the tag has to point to a digest before that is settled. */
  readonly wait: number
  readonly trusted: ReadonlySet<Digest>
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * The newest digest of a tag that is settled: the tag has once pointed to it for as long as it has to without
 * moving, or it is trusted, or it is the first that was seen. A digest that was withdrawn sooner has to wait
 * anew when it comes back.
 *
 * @param history newest first; undefined is returned when it is empty
 */
export function settledDigest(
  history: readonly TagChange[],
  { wait, trusted, now }: SettledOptions,
): Settled | undefined {
  const newest = history[0]
  if (newest === undefined) return undefined
  const settled = new Set(trusted).add(history.at(-1)!.digest)
  history.forEach(({ at, digest }, i) => {
    const end = i === 0 ? now : history[i - 1]!.at
    if (end - at >= wait) settled.add(digest)
  })
  const { digest } = history.find((change) => settled.has(change.digest))!
  return { digest, until: digest === newest.digest ? Infinity : newest.at + wait }
}
