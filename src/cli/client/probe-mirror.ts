import { rootCertificates } from 'node:tls'
import { Agent, request } from 'undici'
import { NOT_TLS } from './refusals.ts'
import type { Probe } from '../../clients/doctor/judge-mirror.ts'

/** Milliseconds. */
const TIMEOUT = 5_000

/** Codes of Node.js and OpenSSL for a certificate that is not accepted. */
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS_/

/** Asks a mirror for `/v2/`, as a client does. `authority`: PEM, beside those of the system. */
export async function probeMirror(url: string, authority: string | undefined): Promise<Probe> {
  const ca = authority === undefined ? {} : { ca: [...rootCertificates, authority] }
  try {
    const { status, isEntrepot } = await ask(url, ca)
    if (isEntrepot) return { kind: 'entrepot' }
    return (await speaksTls(url)) ? { kind: 'tls' } : { kind: 'other', status }
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    if (NOT_TLS.test(code)) return { kind: 'plain' }
    if (UNTRUSTED.test(code)) return { kind: 'untrusted', reason: message.split(';')[0]! }
    return (await speaksTls(url)) ? { kind: 'tls' } : { kind: 'down', reason: code === '' ? message : code }
  }
}

async function ask(
  url: string,
  connect: object,
): Promise<{ readonly status: number; readonly isEntrepot: boolean }> {
  const dispatcher = new Agent({ connect: { ...connect, timeout: TIMEOUT } })
  try {
    const { statusCode, headers, body } = await request(`${url}/v2/`, {
      dispatcher,
      headersTimeout: TIMEOUT,
      bodyTimeout: TIMEOUT,
    })
    await body.dump()
    return { status: statusCode, isEntrepot: String(headers['cache-status']).startsWith('entrepot') }
  } finally {
    await dispatcher.destroy()
  }
}

/** Whether an address that is asked over plain HTTP answers over TLS. */
async function speaksTls(url: string): Promise<boolean> {
  if (!url.startsWith('http:')) return false
  try {
    await ask(url.replace('http:', 'https:'), { rejectUnauthorized: false })
    return true
  } catch {
    // Neither: what the first answer said counts.
    return false
  }
}
