const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process uses that port',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'permission denied; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name does not resolve',
}

/** Says why a listener could not be opened; undefined for every other error. */
export function listenFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { syscall, code = '', message, ...where } = error as SystemError
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return undefined
  const { address = where.hostname ?? '', port } = where
  const host = address.includes(':') ? `[${address}]` : address
  return `cannot listen on ${host}${port === undefined ? '' : `:${port}`}: ${REASONS[code] ?? message}`
}

interface SystemError extends NodeJS.ErrnoException {
  readonly address?: string
  readonly port?: number
  readonly hostname?: string
}
