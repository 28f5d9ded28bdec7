import type { Server } from 'node:https'
import type { TLSSocket } from 'node:tls'

/** setTimeout takes at most 2^31-1 milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1

export interface ClientCertificates {
  /** Ends every connection whose client has shown a certificate. */
  endAll(): void
}

/**
 * Ends each connection when the certificate that its client has shown expires. Without this, whoever keeps a
 * connection open is let in for ever.
 */
export function followClientCertificates(
  server: Server,
  end: (socket: TLSSocket) => void,
): ClientCertificates {
  const shown = new Set<TLSSocket>()

  server.on('secureConnection', (socket: TLSSocket) => {
    const { valid_to: validTo } = socket.getPeerCertificate()
    if (validTo === undefined) return
    const expiry = Date.parse(validTo)
    let timer: NodeJS.Timeout | undefined
    const wait = () => {
      const left = expiry - Date.now()
      if (left <= 0) end(socket)
      else timer = setTimeout(wait, Math.min(left, LONGEST_TIMER)).unref()
    }
    wait()
    shown.add(socket)
    socket.once('close', () => {
      clearTimeout(timer)
      shown.delete(socket)
    })
  })

  return {
    endAll() {
      for (const socket of shown) end(socket)
    },
  }
}
