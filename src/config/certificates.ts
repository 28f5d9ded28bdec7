import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

const BLOCK =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g
const BEGIN = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g

/**
 * Checks a file of authorities before it is used. OpenSSL takes an empty one for none, and Node.js then
 * trusts the authorities of the system; of a truncated one it would take the part it understands.
 *
 * @throws Error when it is not a file of whole certificates, at least one
 */
export function checkAuthorities(pem: string): void {
  const blocks = pem.match(BLOCK) ?? []
  if (blocks.length === 0 || blocks.length !== pem.match(BEGIN)?.length) throw notCertificates()
  try {
    for (const block of blocks) void new X509Certificate(block)
  } catch (error) {
    // OpenSSL's reasons would not help: the file is not a certificate.
    throw notCertificates(error)
  }
}

function notCertificates(cause?: unknown): Error {
  return new Error('must be a file of PEM certificates', { cause })
}

/** Which of the two is wrong; the message follows its name. */
export class PairError extends Error {
  readonly part: 'cert' | 'key'

  constructor(part: PairError['part'], message: string, cause: unknown) {
    super(message, { cause })
    this.part = part
  }
}

/** @throws PairError when they are not a certificate and the key that belongs to it */
export function checkPair(cert: string, key: string): void {
  // OpenSSL takes an empty text for one that is not given.
  must('cert', 'must be a PEM certificate', () => void new X509Certificate(cert))
  must('key', 'must be a private key in PEM, without a passphrase', () => void createPrivateKey(key))
  const isChain = (cert.match(BEGIN)?.length ?? 0) > 1
  const belongs = `must be the key of the ${isChain ? 'first ' : ''}certificate in cert`
  must('key', belongs, () => void createSecureContext({ cert, key }))
}

/** Why clients refuse a listener's certificate at an instant, in epoch milliseconds; undefined when they do not. */
export function validityProblem(cert: string, now: number): string | undefined {
  const { validFromDate, validToDate } = new X509Certificate(cert)
  if (now > validToDate.getTime()) return `expired on ${dayOf(validToDate)}: clients refuse it`
  if (now < validFromDate.getTime())
    return `is valid from ${dayOf(validFromDate)} on: clients refuse it until then`
  return undefined
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function must(part: PairError['part'], what: string, check: () => void): void {
  try {
    check()
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException
    throw new PairError(part, `${what} (${code})`, cause)
  }
}
