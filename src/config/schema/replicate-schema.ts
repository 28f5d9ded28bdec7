import { DESTINATION_MUST, parseDestination } from '../upstreams/destination.ts'
import { cron, fileName, images, matchingText, oneOf, platform, rate, text, yesOrNo } from './scalars.ts'
import { list, section } from './section.ts'
import { origin } from './urls.ts'

/** One rule by which stored images are pushed to another registry. */
export const replicateSchema = section({
  /** Images that are stored, `docker.io/library/node:20*`. */
  images: list(images()),
  /** `[http://|https://]HOST[/PATH]`, https by default. */
  to: matchingText(DESTINATION_MUST, (written) => parseDestination(written) !== undefined),
  username: text().optional(),
  password: text().optional(),
  /** A file that holds the password. It is read again for every push. */
  passwordFile: fileName().optional(),
  /** A PEM file of authorities to trust, besides the system's. */
  ca: fileName().optional(),
  /** Origins that may get the credentials in exchange for a token, besides those of its domain. */
  tokenRealms: list(origin({ anyPath: true })).optional(),
  /** `stored`: soon after an image was stored, and all of them at the start. */
  on: oneOf('stored', 'schedule').prefault('stored'),
  /** When (node-cron syntax); with `on: schedule`. */
  schedule: cron().optional(),
  /** Only these of an index, which is sparse at the destination then. Omitted: all. */
  platforms: list(platform()).optional(),
  /** Push what refers to an image, such as its signatures, with it. */
  referrers: yesOrNo().prefault(true),
  /** Name repositories with their upstream, `docker.io/library/node`. */
  withUpstream: yesOrNo().prefault(false),
  /** Bytes per second. Omitted: no limit. */
  rate: rate().optional(),
})
