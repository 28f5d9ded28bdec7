/**
 * The kinds of values in the file. Each parses the written value and formats it back; its message says what
 * it must be.
 */
import { validate as isCronExpression } from 'node-cron'
import { z } from 'zod'
import {
  IMAGE_PATTERN_MUST,
  parseImagePattern,
  parseRepositoryPattern,
  REPOSITORY_PATTERN_MUST,
} from '../../oci/image-pattern.ts'
import { isPlatformPattern } from '../../oci/platform.ts'
import { parseCidr } from '../../util/cidr.ts'
import { WEBHOOK_SECRET, WEBHOOK_SECRET_MUST } from '../webhook-secret.ts'
import { TagPattern } from './tag-pattern.ts'
import { duration, type Quantity, share, size } from './quantities.ts'

type Scalar = string | number | boolean

interface ScalarKind<T> {
  /** What an issue says: `must be …`. */
  readonly must: string
  /** @returns undefined when `written` is not of this kind */
  parse(written: Scalar): T | undefined
  format?(value: T): Scalar
}

/** Numbers and booleans may be strings: `${ENV}` yields nothing else. */
/** A kind of value that is written as one word. */
export function scalar<T>({ must, parse, format = (value) => value as Scalar }: ScalarKind<T>) {
  return z.codec(z.union([z.string(), z.number(), z.boolean()], { error: must }), z.custom<T>(), {
    decode(written, context) {
      const value = parse(written)
      if (value !== undefined) return value
      context.issues.push({ code: 'custom', input: written, message: must })
      return z.NEVER
    },
    encode: format,
  })
}

export function text() {
  return scalar({
    must: 'must be a string that is not empty; put numbers in quotes',
    parse: (written) => (typeof written === 'string' && written !== '' ? written : undefined),
  })
}

/** Relative to the folder of the configuration file. */
export function fileName() {
  return matching(/^[^\0]+$/, 'the name of a file or folder')
}

export function matching(pattern: RegExp, what: string) {
  return scalar({
    must: `must be ${what}`,
    parse: (written) => (typeof written === 'string' && pattern.test(written) ? written : undefined),
  })
}

/** A text that `isRight`. */
export function matchingText(must: string, isRight: (text: string) => boolean) {
  return scalar({
    must,
    parse: (written) => (typeof written === 'string' && isRight(written) ? written : undefined),
  })
}

/** A platform, or a pattern of platforms. */
export function platform() {
  return matchingText('must be a platform such as linux/amd64 or linux/arm/v7', isPlatformPattern)
}

export function oneOf<const T extends string>(...values: readonly T[]) {
  return scalar({
    must: `must be ${values.length === 1 ? '' : 'one of '}${values.join(', ')}`,
    parse: (written) => values.find((value) => value === written),
  })
}

export function off() {
  return scalar({ must: 'must be false', parse: no })
}

export function yesOrNo() {
  return scalar({
    must: 'must be true or false',
    parse: (written) => (String(written) === 'true' ? true : no(written)),
  })
}

export function yesNoOr<const T extends string>(other: T) {
  return scalar<boolean | T>({
    must: `must be true, false or ${other}`,
    parse: (written) => (written === other ? other : String(written) === 'true' ? true : no(written)),
  })
}

export function integer(least: number, most: number) {
  return scalar({
    must: `must be a whole number from ${least} to ${most}`,
    parse: (written) => (/^\d+$/.test(String(written)) ? between(least, Number(written), most) : undefined),
  })
}

/** Milliseconds; `least` and `most` as they are written. */
export function time({ least = '0s', most = '36500d' } = {}) {
  return bounded(duration, 'a duration such as 500ms, 60s, 10m, 1h or 7d', least, most)
}

/** Bytes. */
export function bytes({ least = '0B', most = '8000TiB' } = {}) {
  return bounded(size, 'a size such as 512KiB, 50GiB or 10GB, or a number of bytes', least, most)
}

/** Bytes per second. */
export function rate() {
  const perSecond: Quantity = {
    parse: (written) => size.parse(written.replace(/\/s$/, '')),
    format: (value) => `${size.format(value)}/s`,
  }
  return bounded(perSecond, 'bytes per second such as 50MB/s', '64KiB/s', '1TiB/s')
}

/** 0 to 1. */
export function part() {
  return bounded(share, 'a percentage such as 25%, or a number', '0', '1')
}

export function cron() {
  return scalar({
    must: "must be a cron expression of node-cron, such as '*/5 * * * *'",
    parse: (written) => (typeof written === 'string' && isCronExpression(written) ? written : undefined),
  })
}

/** A host as in a URL or a Host header, `example.internal:5443`, in lower case. */
export function host() {
  return scalar({ must: HOST_MUST, parse: parseHost })
}

export const HOST_MUST =
  'must be a host name or address, with a port or without, such as example.internal:5443'

export function parseHost(written: Scalar): string | undefined {
  const name = String(written).toLowerCase()
  return /^(?:[a-z\d](?:[a-z\d._-]*[a-z\d])?|\[[\da-f:.]+\])(?::\d{1,5})?$/.test(name) &&
    URL.canParse(`https://${name}`)
    ? name
    : undefined
}

/** An image pattern, as written: its meaning depends on the configured upstreams. */
export function images() {
  return scalar({
    must: IMAGE_PATTERN_MUST,
    parse: (written) => (parseImagePattern(String(written)) === undefined ? undefined : String(written)),
  })
}

/** A pattern of whole repositories, as written. */
export function repositories() {
  return scalar({
    must: REPOSITORY_PATTERN_MUST,
    parse: (written) => (parseRepositoryPattern(String(written)) === undefined ? undefined : String(written)),
  })
}

/** A network in CIDR notation, or an address alone. */
export function network() {
  return scalar({
    must: 'must be a network such as 10.0.0.0/8 or 2001:db8::/32, or an address',
    parse: (written) => (parseCidr(String(written)) === undefined ? undefined : String(written)),
  })
}

export function secret() {
  return matching(WEBHOOK_SECRET, WEBHOOK_SECRET_MUST)
}

/** A regular expression for tags. */
export function pattern() {
  return z.codec(z.string({ error: 'must be a regular expression' }), z.instanceof(TagPattern), {
    decode(written, context) {
      try {
        return new TagPattern(written)
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error
        const message = `must be a regular expression: ${error.message}`
        context.issues.push({ code: 'custom', input: written, message })
        return z.NEVER
      }
    },
    encode: ({ source }) => source,
  })
}

function bounded(quantity: Quantity, what: string, least: string, most: string) {
  const limits = [quantity.parse(least)!, quantity.parse(most)!] as const
  return scalar({
    must: `must be ${what}, from ${least} to ${most}`,
    parse(written) {
      const value = quantity.parse(String(written))
      return value === undefined ? undefined : between(limits[0], value, limits[1])
    },
    format: quantity.format,
  })
}

function no(written: Scalar): false | undefined {
  return String(written) === 'false' ? false : undefined
}

function between(least: number, value: number, most: number): number | undefined {
  return least <= value && value <= most ? value : undefined
}
