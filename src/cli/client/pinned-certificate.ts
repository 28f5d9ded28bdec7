import { X509Certificate } from 'node:crypto'
import { Agent } from 'undici'

/**
 * Connects only to a server that has this certificate (PEM), whatever names the certificate has and whoever
 * signed it.
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
