import type { Server, Socket } from 'node:net'

export interface ConnectionLimits {
  readonly most: number
  readonly mostPerAddress: number
  /** Addresses that `mostPerAddress` is not for: many clients stand behind them. */
  readonly isExempt?: (address: string) => boolean
}

/** Closes connections beyond the limits as they come, before a byte of theirs is read. */
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
