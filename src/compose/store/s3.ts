import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../../config/load-config.ts'
import { isRegistryError } from '../../oci/errors.ts'
import type { RemoteBlobs } from '../../ports/remote-blobs.ts'
import type { RemoteTelemetry } from '../../ports/telemetry.ts'
import { probeAbilities, type S3Abilities } from '../../s3/abilities.ts'
import { s3Blobs } from '../../s3/s3-blobs.ts'
import { S3Client } from '../../s3/s3-client.ts'
import type { S3CredentialSource } from '../../s3/s3-credentials.ts'
import { cidrList } from '../../util/cidr.ts'
import { s3Role } from './s3-role.ts'

export interface OpenS3 extends AsyncDisposable {
  readonly blobs: RemoteBlobs
}

export interface OpenS3Options {
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly telemetry: Pick<RemoteTelemetry, 'answered'>
  /** Of this process: it says who we are where the configuration has no keys. */
  readonly env: NodeJS.ProcessEnv
}

/** Whether the client of an address fetches blobs from the bucket itself; undefined when none does. */
export function redirects({ s3 }: Config['storage']): ((address: string) => boolean) | undefined {
  const networks = s3?.redirect?.networks ?? []
  return networks.length === 0 ? undefined : cidrList(networks)
}

/** Milliseconds. A store that takes longer for its headers is slower than most upstreams. */
const TIMEOUTS = { connect: 2_000, headers: 5_000, idle: 15_000 }
const PROBE_AGAIN = 10_000

/**
 * Opens the bucket, and tells what the service can do. A service that cannot be reached is asked again until
 * it can: what is in the tier is served meanwhile.
 *
 * @throws Error when the service can be reached and is of no use
 */
export async function openS3(
  { prefix, keys, ...config }: NonNullable<Config['storage']['s3']>,
  { log, telemetry, env }: OpenS3Options,
): Promise<OpenS3> {
  const closing = new AbortController()
  const { endpoint, bucket, region } = config
  const credentials: S3CredentialSource = keys
    ? () => keys
    : s3Role({
        region,
        env,
        signal: closing.signal,
        failed: (err) => log.warn({ endpoint, err }, 'reload failed, keeping the previous version'),
      })
  const client = new S3Client({ endpoint, bucket, region, credentials, timeouts: TIMEOUTS, telemetry })
  let abilities: S3Abilities | undefined
  await probe()
  if (abilities?.hasRanges === false) {
    closing.abort()
    await client[Symbol.asyncDispose]()
    throw new Error(`storage.s3: ${endpoint} does not answer ranges, which this cache needs`)
  }
  const probing = abilities === undefined ? probeLater() : undefined
  return {
    blobs: s3Blobs({
      client,
      prefix,
      publicEndpoint: config.redirect?.publicEndpoint,
      refusesToOverwrite: () => abilities?.refusesToOverwrite ?? false,
    }),
    async [Symbol.asyncDispose]() {
      closing.abort()
      await probing
      await client[Symbol.asyncDispose]()
    },
  }

  async function probe(): Promise<void> {
    try {
      abilities = await probeAbilities(client, prefix)
    } catch (error) {
      if (!isRegistryError(error)) throw error
      const { code, detail } = error
      log.error({ endpoint, bucket, error: code, detail }, 'storage.s3 cannot be used, and is asked again')
      return
    }
    log.info({ endpoint, bucket, abilities }, 'storage.s3 answers')
    if (!abilities.verifiesUploads) {
      log.warn({ endpoint }, 'storage.s3 does not verify what is uploaded to it; reads are verified here')
    }
  }

  async function probeLater(): Promise<void> {
    while (abilities === undefined) {
      await sleep(PROBE_AGAIN, undefined, { signal: closing.signal, ref: false }).catch(() => {})
      if (closing.signal.aborted) return
      await probe().catch((err: unknown) => {
        if (!closing.signal.aborted) log.error({ err }, 'storage.s3 could not be probed')
      })
    }
  }
}
