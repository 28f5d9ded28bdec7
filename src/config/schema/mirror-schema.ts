import { validRange } from 'semver'
import { cron, images, integer, matchingText, platform, rate, text, time, yesOrNo } from './scalars.ts'
import { list, section } from './section.ts'

const RANGE_MUST = "must be a range of versions such as '>=20' or '1.2 - 1.4'"

/** One rule by which images are fetched ahead. */
export const mirrorSchema = section({
  /** `docker.io/library/node`; with stars: of the repositories that something is stored of. */
  images: list(images()),
  /** Which tags of them. Omitted: all that `images` means. */
  tags: section({
    /** Patterns of tags, of which one has to match. */
    match: list(text()).optional(),
    /** Patterns of tags that are not wanted. */
    except: list(text()).optional(),
    /** Only tags that are versions in this range. */
    semver: matchingText(RANGE_MUST, (range) => validRange(range) !== null).optional(),
    /** Only so many of a repository, the newest by version. */
    latest: integer(1, 10_000).optional(),
  }).prefault({}),
  /** Omitted: those that were pulled of an image so far, else all. */
  platforms: list(platform()).optional(),
  /** With what refers to an image, such as its signatures. */
  referrers: yesOrNo().prefault(false),
  /** When it begins (node-cron syntax). */
  schedule: cron().prefault('0 3 * * *'),
  /** How long it may take; the next run goes on. Omitted: as long as it takes. */
  window: time({ least: '1s' }).optional(),
  /** Bytes per second, on average. Omitted: no limit. */
  rate: rate().optional(),
})
