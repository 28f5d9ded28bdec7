import { parseJsonObject } from '../../util/json-object.ts'
import { UsageError } from '../command.ts'

/** Codes of OpenSSL for an answer that is not TLS. */
export const NOT_TLS = /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|TLSV1_ALERT)/
/** Codes of Node.js and OpenSSL for a certificate of another authority. */
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_|CERT_SIGNATURE/

/** What is known of the connection that failed. */
interface Asked {
  readonly url: string
  readonly token?: string
  readonly authorities?: string
}

/** That nothing answers as an admin listener does, and what to do. */
export function noAnswer({ url, authorities }: Asked, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException
  const advice = adviceFor(code ?? '', url, authorities !== undefined)
  const what = `the admin listener ${url} does not answer (${code ?? message})`
  return new Error(`${what}${advice === undefined ? '' : `: ${advice}`}`, { cause: error })
}

function adviceFor(code: string, url: string, hasAuthorities: boolean): string | undefined {
  if (code === 'ECONNREFUSED')
    return 'nothing listens there; is Entrepot running, and is that its admin.host and admin.port?'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the name does not resolve'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'its certificate is for other names: ask by one of those'
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired'
  if (NOT_TLS.test(code)) return 'it does not speak TLS: write http://'
  if (UNTRUSTED.test(code))
    return hasAuthorities
      ? 'its certificate is signed by none of these authorities'
      : 'its certificate is of an authority that is not trusted here: name that by --ca FILE'
  const isCutOff = code === 'UND_ERR_SOCKET' || code === 'ECONNRESET'
  if (!isCutOff) return undefined
  return url.startsWith('http:') ? 'if it speaks TLS, write https://; else it has ended, see its log' : ENDED
}

const ENDED = 'it has ended, see its log'

/** That the connection broke off in the middle of the answer. */
export function brokenOff({ url }: Asked, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException
  return new Error(`${url} broke its answer off (${code ?? message}): ${ENDED}`, { cause: error })
}

/** Why it refused a request, by the status and the text of its answer. */
export function refusal({ url, token }: Asked, status: number, text: string): Error {
  const body = parseJsonObject(text)
  const reason = body?.['error']
  if (Array.isArray(body?.['errors']))
    return new Error(`${url} answered ${status}: that is a registry, and not the admin listener (admin.port)`)
  if (typeof reason !== 'string')
    return new Error(
      `${url} answered ${status}, and is not the admin listener of Entrepot: ${text.slice(0, 200)}`,
    )
  // It is an argument of the command that the process does not take.
  if (status === 400) return new UsageError(reason)
  const advice =
    token === undefined ? 'give it by --token or ENTREPOT_TOKEN' : 'the token that was sent is another one'
  return new Error(`${url} answered ${status}: ${reason}${status === 401 ? `; ${advice}` : ''}`)
}

/** That the answer is none of the admin API, whatever its status says. */
export function noAdminApi({ url }: Asked, cause: unknown): Error {
  return new Error(`${url} is not the admin listener of Entrepot: its answer is no JSON`, { cause })
}
