import type { Finding, MirrorUse } from './finding.ts'

/** How a mirror answers `GET /v2/`. */
export type Probe =
  | { readonly kind: 'entrepot' }
  /** Something else answers, with this status. */
  | { readonly kind: 'other'; readonly status: number }
  | { readonly kind: 'down'; readonly reason: string }
  /** It was asked over https, and speaks plain HTTP. */
  | { readonly kind: 'plain' }
  /** It was asked over plain HTTP, and speaks TLS. */
  | { readonly kind: 'tls' }
  | { readonly kind: 'untrusted'; readonly reason: string }

/** @returns undefined when the client can use the mirror */
export function judgeMirror({ client, file, url }: MirrorUse, probe: Probe): Finding | undefined {
  const host = new URL(url).host
  const found = (problem: string, fix: string): Finding => ({ client, where: file, problem, fix })
  switch (probe.kind) {
    case 'entrepot':
      return undefined
    case 'down':
      return found(
        `names ${url}, which does not answer: ${probe.reason}`,
        `start Entrepot there (entrepot serve), or name where it is: entrepot setup ${client} --registry URL --write`,
      )
    case 'plain':
      return found(
        `speaks TLS to ${host}, which speaks plain HTTP`,
        client === 'podman' || client === 'crio'
          ? 'set insecure = true for the mirror, or give Entrepot a certificate (listen.tls)'
          : `entrepot setup ${client} --registry http://${host} --write, or give Entrepot a certificate (listen.tls)`,
      )
    case 'tls':
      return found(
        `speaks plain HTTP to ${host}, which speaks TLS`,
        `entrepot setup ${client} --registry https://${host} --write`,
      )
    case 'untrusted':
      return found(
        `does not trust the certificate of ${url}: ${probe.reason}`,
        `entrepot setup ${client} --registry ${url} --ca FILE --write, with the authority that signed it`,
      )
    case 'other':
      return found(
        `names ${url}, which is not Entrepot: it answers ${probe.status} without Cache-Status`,
        `entrepot setup ${client} --registry URL --write`,
      )
  }
}
