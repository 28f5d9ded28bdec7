import { AwsV4Signer } from 'aws4fetch'
import type { S3Credentials, S3CredentialSource } from './s3-credentials.ts'

export interface RequestSignerOptions {
  readonly region: string
  readonly credentials: S3CredentialSource
  /** Epoch milliseconds. */
  readonly now: () => number
}

export interface SignedRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly credentials: S3Credentials
}

/** Milliseconds by which clocks may differ: a signed URL would live shorter or longer by so much. */
const SAME_CLOCK = 30_000
/** S3 refuses a request whose clock is 15 minutes off; an answer to HEAD does not say why it refuses. */
const REFUSED_CLOCK = 10 * 60_000
/** What S3 answers when other credentials would have been accepted. */
const STALE_CREDENTIALS = new Set([
  'ExpiredToken',
  'InvalidToken',
  'InvalidAccessKeyId',
  'TokenRefreshRequired',
])

/** Signs by AWS Signature Version 4, with credentials that may be replaced, by the clock of the service. */
export class RequestSigner {
  readonly #options: RequestSignerOptions
  /** Milliseconds that the service's clock is ahead of ours. */
  #clockAhead = 0

  constructor(options: RequestSignerOptions) {
    this.#options = options
  }

  /** @throws RegistryError UPSTREAM_UNAVAILABLE without credentials */
  async sign(method: string, url: URL, headers: Readonly<Record<string, string>>): Promise<SignedRequest> {
    const credentials = await this.#options.credentials()
    const signed = await this.#signer(credentials, { method, url: url.href, headers: { ...headers } }).sign()
    return { headers: Object.fromEntries(signed.headers), credentials }
  }

  /** `url` as one that lets whoever has it GET the object for so many seconds. */
  async presign(url: URL, seconds: number): Promise<string> {
    const expiring = new URL(url)
    expiring.searchParams.set('X-Amz-Expires', String(seconds))
    const credentials = await this.#options.credentials()
    const signed = await this.#signer(credentials, {
      method: 'GET',
      url: expiring.href,
      signQuery: true,
    }).sign()
    return signed.url.href
  }

  /** Learns the service's clock from the date of an answer. */
  followClock(date: string | string[] | undefined): void {
    const ahead = this.#aheadAt(date)
    if (ahead !== undefined && Math.abs(ahead - this.#clockAhead) > SAME_CLOCK) this.#clockAhead = ahead
  }

  /**
   * Whether a request that was refused may be accepted when it is signed anew: by the service's clock, or with
   * newer credentials. `code`: of the error document; undefined where there is none.
   */
  async canMend(
    code: string | undefined,
    date: string | string[] | undefined,
    refused: S3Credentials,
  ): Promise<boolean> {
    const off = Math.abs((this.#aheadAt(date) ?? this.#clockAhead) - this.#clockAhead)
    if (code === 'RequestTimeTooSkewed' || (code === undefined && off > REFUSED_CLOCK)) {
      this.followClock(date)
      return off > 0
    }
    const mayBeStale = code === undefined || STALE_CREDENTIALS.has(code)
    return mayBeStale && (await this.#options.credentials(refused)) !== refused
  }

  #aheadAt(date: string | string[] | undefined): number | undefined {
    const told = Date.parse(String(date))
    return Number.isNaN(told) ? undefined : told - this.#options.now()
  }

  #signer(
    credentials: S3Credentials,
    asked: { method: string; url: string; headers?: Record<string, string>; signQuery?: boolean },
  ): AwsV4Signer {
    const { region, now } = this.#options
    const datetime = new Date(now() + this.#clockAhead).toISOString().replace(/[:-]|\.\d{3}/g, '')
    return new AwsV4Signer({ ...asked, ...credentials, service: 's3', region, datetime })
  }
}
