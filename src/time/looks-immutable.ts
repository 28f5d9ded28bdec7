/** `1.2.3`, `v1.2.3-rc.1`, `20.11.1-alpine` */
const VERSION = /^v?\d+\.\d+\.\d+(?:[-+._].*)?$/
/** `20261101`, `2026-11-01`, `nightly-20261101`, `20261101.3` */
const DATE = /(?:^|[-._])(?:19|20)\d\d([-._]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?:$|[-._t])/
/** `deadbee`, `sha-0123abc…`, `main-0123abc`: seven digits are the shortest that git writes. */
const COMMIT = /(?:^|-)(?=[a-f]*\d)[\da-f]{7,64}$/

/** Whether a tag names a version, a date or a commit: nobody expects it to move. */
export function looksImmutable(tag: string): boolean {
  return VERSION.test(tag) || DATE.test(tag) || COMMIT.test(tag)
}
