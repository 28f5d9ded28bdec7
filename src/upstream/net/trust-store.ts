import { X509Certificate } from 'node:crypto'
import { access } from 'node:fs/promises'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { reloadingFile } from '../credentials/reloading-file.ts'

/** The certificate authorities to trust. The context is the same object as long as they are the same. */
export interface TrustStore {
  /** Undefined: Node's own authorities, and no others. */
  context(): Promise<SecureContext | undefined>
}

export interface SystemTrust extends TrustStore {
  /** The system's authorities, which may include Node's own. */
  certificates(): Promise<Certificates>
}

/** PEM certificates. The same object as long as they are the same. */
type Certificates = readonly string[]
const NONE: Certificates = []

/** The bundles of Debian and Alpine, Fedora, openSUSE, and BSD. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

export interface SystemTrustOptions {
  /** `SSL_CERT_FILE` names the bundle, as for OpenSSL. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Called when the bundle has changed and is of no use, so that its previous content stays in use. */
  readonly failed: (problem: unknown) => void
  /** Replaces the places where systems keep their bundle. */
  readonly bundles?: readonly string[]
}

/**
 * Node's own authorities and the system's, where companies add theirs (FR-36). One for all upstreams, since a
 * context takes 10 ms and some megabytes. The bundle is read again when it changes.
 */
export function systemTrust({ env, failed, bundles = BUNDLES }: SystemTrustOptions): SystemTrust {
  const named = env['SSL_CERT_FILE']
  let read: Promise<((again: boolean) => Promise<Certificates>) | undefined> | undefined

  const open = async () => {
    const path = named ?? (await firstOf(bundles))
    if (path === undefined) return undefined
    return reloadingFile({ path, what: 'CA bundle of the system', parse: usableCertificates, failed })
  }

  let told: string | undefined
  const certificates = async (): Promise<Certificates> => {
    const bundle = await (read ??= open())
    try {
      return (await bundle?.(false)) ?? NONE
    } catch (error) {
      // It never was of use. Node's own authorities have to do until it is.
      const { message } = error as Error
      if (told !== message) failed(error)
      told = message
      return NONE
    }
  }

  return { certificates, context: contextOf(async () => [await certificates()]) }
}

/** Node's own authorities only. */
export function nodeTrust(): SystemTrust {
  return { certificates: async () => NONE, context: async () => undefined }
}

export interface UpstreamTrustOptions {
  readonly system: SystemTrust
  /** PEM certificates from the configuration. Omitted: the system's authorities alone. */
  readonly ca?: string | undefined
  /** Where they came from. The file is followed (FR-35). */
  readonly path?: string | undefined
  /** Called when the file has changed and is of no use, so that its previous content stays in use. */
  readonly failed: (problem: unknown) => void
}

/**
 * The authorities of an upstream: those of a `ca` of its own, besides the system's, which redirect targets may
 * need.
 */
export function upstreamTrust({ system, ca, path, failed }: UpstreamTrustOptions): TrustStore {
  if (ca === undefined) return system
  // What the start has accepted is used. A file that was faultless then has to stay so.
  const parse = allCertificates(ca) === undefined ? usableCertificates : allCertificates
  const given = parse(ca) ?? NONE
  const own =
    path === undefined || given === NONE
      ? async () => given
      : reloadingFile({ path, what: 'ca file', initial: ca, parse, failed })
  return { context: contextOf(() => Promise.all([system.certificates(), own(false)])) }
}

/** Makes a context of Node's own authorities and others, and a new one when those change. */
function contextOf(others: () => Promise<readonly Certificates[]>): TrustStore['context'] {
  let known: readonly Certificates[] | undefined
  let context: SecureContext | undefined
  return async () => {
    const found = await others()
    if (known === undefined || found.some((certificates, i) => certificates !== known![i])) {
      known = found
      context = contextWith(found.flat())
    }
    return context
  }
}

function contextWith(others: Certificates): SecureContext | undefined {
  const all = new Set(getCACertificates('default').map(canonical))
  const { size } = all
  for (const pem of others) all.add(pem)
  // One text, which OpenSSL reads four times as fast as a list.
  return all.size === size ? undefined : createSecureContext({ ca: [...all].join('\n') })
}

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      await access(path)
      return path
    } catch {
      // It is not there, or not for us.
    }
  }
  return undefined
}

/**
 * Certificates that an operator has listed: every one counts. @returns undefined when one is of no use, or
 * there is none
 */
function allCertificates(text: string): Certificates | undefined {
  const found = certificatesIn(text)
  return found.length > 0 && found.every(isReadable) ? found : undefined
}

/** Those of the system's bundle that are of use. @returns undefined when there is none */
function usableCertificates(text: string): Certificates | undefined {
  const found = certificatesIn(text).filter(isReadable)
  return found.length > 0 ? found : undefined
}

function certificatesIn(text: string): Certificates {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return found.map(canonical)
}

function isReadable(pem: string): boolean {
  try {
    void new X509Certificate(pem)
    return true
  } catch {
    // Whatever OpenSSL dislikes about it, it cannot be used.
    return false
  }
}

/** The same certificate is the same text, however its lines were broken. */
function canonical(pem: string): string {
  const base64 = pem.replaceAll(/-----[^-]+-----|\s/g, '')
  const lines = base64.match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----'].join('\n')
}
