import { digestOf } from '../../src/oci/digest.ts'
import type { Call, KnownContent } from './pull-conformance.ts'

const ABSENT = digestOf(Buffer.from('this is nowhere'))

/** The six cases of the conformance suite, then what RFC 9110 adds. */
export function ranges({ repository, blob }: KnownContent): Call[] {
  const size = blob.length
  const digest = digestOf(blob)
  const path = `/v2/${repository}/blobs/${digest}`
  const partial = (
    description: string,
    range: string,
    start: number,
    end: number,
    ...more: string[]
  ): Call => ({
    description,
    path,
    request: [`Range: ${range}`, ...more],
    status: 206,
    headers: {
      'content-range': `bytes ${start}-${end}/${size}`,
      'content-length': String(end - start + 1),
      'docker-content-digest': digest,
      etag: `"${digest}"`,
      'content-type': 'application/octet-stream',
    },
    body: blob.subarray(start, end + 1),
  })
  const whole = (description: string, ...request: string[]): Call => ({
    description,
    path,
    request,
    status: 200,
    headers: { 'content-range': undefined, 'content-length': String(size) },
    body: blob,
  })
  const unsatisfiable = (description: string, range: string): Call => ({
    description,
    path,
    request: [`Range: ${range}`],
    status: 416,
    headers: { 'content-range': `bytes */${size}` },
    code: 'RANGE_INVALID',
  })
  return [
    partial('first byte', 'bytes=0-0', 0, 0),
    partial('from the middle', 'bytes=100-199', 100, 199),
    partial('open end', `bytes=${size - 10}-`, size - 10, size - 1),
    partial('suffix', 'bytes=-500', size - 500, size - 1),
    partial('end past the end', `bytes=10-${size + 5}`, 10, size - 1),
    unsatisfiable('start past the end', `bytes=${size}-`),
    unsatisfiable('backwards', 'bytes=500-0'),
    unsatisfiable('overflow', 'bytes=9223372036854775808-'),
    unsatisfiable('empty suffix', 'bytes=-0'),
    partial('all of it', 'bytes=0-', 0, size - 1),
    partial('suffix longer than the blob', `bytes=-${size + 1}`, 0, size - 1),
    whole('several ranges', 'Range: bytes=0-1,5-9'),
    whole('several ranges in two fields', 'Range: bytes=0-1', 'Range: bytes=5-9'),
    whole('another unit', 'Range: pieces=0-1'),
    whole('malformed', 'Range: bytes=a-b'),
    partial('If-Range with this blob', 'bytes=0-9', 0, 9, `If-Range: "${digest}"`),
    whole('If-Range with another', 'Range: bytes=0-9', `If-Range: "${ABSENT}"`),
    whole('If-Range is a strong comparison', 'Range: bytes=0-9', `If-Range: W/"${digest}"`),
    whole('If-Range with a date', 'Range: bytes=0-9', 'If-Range: Wed, 21 Oct 2015 07:28:00 GMT'),
  ]
}
