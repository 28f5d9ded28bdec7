import type { Server, Socket } from 'node:net'

export interface ConnectionLimits {
  readonly most: number
  readonly mostPerAddress: number
  /** Exempts addresses with many clients behind them from `mostPerAddress`. */
  readonly isExempt?: (address: string) => boolean
}

/** Closes each connection beyond the limits before it reads a byte from it. */
export function limitConnections(
  server: Server,
  { most, mostPerAddress, isExempt = () => false }: ConnectionLimits,
): void {
  const open = new Map<string, number>()
  server.maxConnections = most
  server.on('connection', (socket: Socket) => {
    const { remoteAddress: address = '' } = socket
    if (isExempt(address)) return
    const count = (open.get(address) ?? 0) + 1
    if (count > mostPerAddress) return void socket.destroy()
    open.set(address, count)
    socket.once('close', () => {
      const left = open.get(address)! - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}
