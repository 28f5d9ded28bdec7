import { S3Client } from '../../../src/s3/s3-client.ts'
import type { CephRgw } from './ceph-rgw.ts'

/** What a client of the service shows. */
export const LOGIN = { accessKeyId: 'test', secretAccessKey: 'testsecret' } as const
export const REGION = 'us-east-1'

let buckets = 0

/** Makes a bucket. @returns a client of it */
export async function newBucket(
  { endpoint }: Pick<CephRgw, 'endpoint'>,
  bucket = `bucket-${++buckets}`,
): Promise<S3Client> {
  const timeouts = { connect: 2_000, headers: 20_000, idle: 20_000 }
  const client = new S3Client({
    region: REGION,
    credentials: () => LOGIN,
    endpoint,
    bucket,
    timeouts,
    telemetry: { answered() {} },
  })
  await (await client.send('create', { method: 'PUT', key: '' })).body.dump()
  return client
}
