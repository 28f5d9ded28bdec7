import { X509Certificate } from 'node:crypto'
import { Agent } from 'undici'

/**
 * Connections to a server that is known by its certificate (PEM): by this one and no other, whatever name it is for, and whether
 * or not the system trusts who signed it.
 */
export function pinnedCertificate(pem: string): Agent {
  const { fingerprint256 } = new X509Certificate(pem)
  return new Agent({
    connect: {
      ca: pem,
      allowPartialTrustChain: true,
      checkServerIdentity: (_, certificate) =>
        certificate.fingerprint256 === fingerprint256
          ? undefined
          : new Error('its certificate is not the configured one'),
    },
  })
}
