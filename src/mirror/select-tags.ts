import { compare, satisfies, SemVer } from 'semver'
import { sortedInTurns } from '../util/async/sorted-in-turns.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import { glob } from '../util/glob.ts'

/** Which tags of a repository are wanted. What is left out does not limit them. */
export interface TagSelection {
  /** Patterns of `util/glob.ts`; one has to match. */
  readonly match?: readonly string[] | undefined
  /** None of these may match. */
  readonly except?: readonly string[] | undefined
  /** A range of versions, `>=20` or `1.2 - 1.4`. Tags that are no versions are not wanted then. */
  readonly semver?: string | undefined
  /** Only so many, the newest by version. */
  readonly latest?: number | undefined
}

interface Version {
  readonly tag: string
  readonly version: SemVer
  /** `alpine` of `20.1-alpine`. */
  readonly suffix: string
}

/** Tags between two looks at the clock. */
const STEP = 200
/** Stands for a part that a tag leaves open: `20` is the newest of all `20.x.y`. */
const OPEN = 999_999_999
/** Digits of a major version. A longer number is a date, or counts builds. */
const MOST_DIGITS = 5

/**
 * The wanted ones of these tags, the newest first where versions decide.
 *
 * Tags are versions as people write them: `v20`, `20.11`, `20.11.1-alpine`. What follows the numbers makes a
 * pre-release, which no range means, unless a pattern in `match` chose the tag: `match: ['*-alpine']` with
 * `semver: '>=20'` is `20.11.1-alpine`.
 */
export async function selectTags(
  tags: readonly string[],
  { match, except = [], semver, latest }: TagSelection,
): Promise<readonly string[]> {
  const isMatched = anyOf(match ?? ['*'])
  const isExcepted = anyOf(except)
  const isRelevant = ({ suffix, version }: Version): boolean => {
    const isRelease = suffix === '' || match !== undefined
    return isRelease && (semver === undefined || satisfies(version, semver))
  }
  const isSorted = semver !== undefined || latest !== undefined
  const pause = yieldEvery()
  const chosen: string[] = []
  const versions: Version[] = []
  for (const [i, tag] of tags.entries()) {
    if (i % STEP === STEP - 1) await pause()
    if (!isMatched(tag) || isExcepted(tag)) continue
    chosen.push(tag)
    const version = isSorted ? versionOf(tag) : undefined
    if (version !== undefined && isRelevant(version)) versions.push(version)
  }
  if (!isSorted) return chosen
  if (semver === undefined && versions.length === 0) {
    const natural = new Intl.Collator('en', { numeric: true })
    return (await sortedInTurns(chosen, (one, other) => natural.compare(other, one))).slice(0, latest)
  }
  return (await sortedInTurns(versions, newestFirst)).slice(0, latest).map(({ tag }) => tag)
}

function anyOf(patterns: readonly string[]): (text: string) => boolean {
  const matchers = patterns.map(glob)
  return (text) => matchers.some((matches) => matches(text))
}

function versionOf(tag: string): Version | undefined {
  const found = VERSION.exec(tag)
  if (found === null) return undefined
  const { major = '', minor = OPEN, patch = OPEN, suffix = '' } = found.groups as Record<string, string>
  if (major.length > MOST_DIGITS) return undefined
  return { tag, version: new SemVer([major, minor, patch].map(Number).join('.')), suffix }
}

const VERSION =
  /^v?(?<major>\d+)(?:\.(?<minor>\d{1,9})(?:\.(?<patch>\d{1,9}))?)?(?:[-_+](?<suffix>[\w.-]+))?$/

function newestFirst(one: Version, other: Version): number {
  return compare(other.version, one.version) || (one.tag < other.tag ? -1 : 1)
}
