import { images, matching, time, yesOrNo } from './scalars.ts'
import { list, section } from './section.ts'

/** Names under which clients see the past. */
export const viewsSchema = section({
  /** `asof/20261101/…`: tags as they were seen then. */
  asOf: yesOrNo().prefault(false),
  /** `run/<name>/…`: each tag as the run resolved it first. */
  run: yesOrNo().prefault(false),
  /** Views are hosts too, `<instant>.asof.<host>` and `<name>.run.<host>`. Empty: they are not. */
  host: matching(/^(?:[a-z\d](?:[a-z\d.-]*[a-z\d])?)?$/, 'a host name in lower case without a port').prefault(
    '',
  ),
  /**
   * For how long the images that a tag has pointed to are kept after it has moved, or has been deleted. The
   * first match decides.
   */
  retain: list(section({ match: images(), for: time() })).prefault([]),
  /** How long a run is kept, from its first pull on. */
  keepRuns: time({ least: '1m' }).prefault('7d'),
})
