import { isIP } from 'node:net'
import { cidrList, parseCidr } from '../../util/cidr.ts'

export interface Target {
  /** `http:` or `https:` */
  readonly protocol: string
  readonly hostname: string
  /** Empty for the default port of the protocol. */
  readonly port: string
}

/** Returns the proxy for a host, or undefined for a direct connection. The URL may contain a password. */
export type ProxyFor = (target: Target) => URL | undefined

/**
 * Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in lower or upper case, as curl and Go do. NO_PROXY lists
 * names, which include their subdomains, addresses, subnets and `*`, each with or without a port. Connections
 * to this machine never use a proxy. `own`, the URL of a proxy, takes the place of the first two.
 *
 * @throws Error that names the variable but not its value
 */
export function proxiesFrom(env: Readonly<Record<string, string | undefined>>, own?: string): ProxyFor {
  const valueOf = (name: string): string => env[name.toLowerCase()] || env[name] || ''
  const only = own === undefined ? undefined : new URL(own)
  const proxies = {
    'https:': only ?? proxyUrl('HTTPS_PROXY', valueOf('HTTPS_PROXY')),
    'http:': only ?? proxyUrl('HTTP_PROXY', valueOf('HTTP_PROXY')),
  }
  const isExcepted = exceptions(`localhost 127.0.0.0/8 ::1 ${valueOf('NO_PROXY')}`)
  return (target) => {
    const proxy = proxies[target.protocol as keyof typeof proxies]
    return proxy === undefined || isExcepted(target) ? undefined : proxy
  }
}

function proxyUrl(variable: string, value: string): URL | undefined {
  if (value === '') return undefined
  const url = URL.parse(value.includes('://') ? value : `http://${value}`)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || !isReadable(url)) {
    throw new Error(`${variable} in the environment is not an http or https URL`)
  }
  return url
}

/** Whether the escapes of its login can be decoded. */
function isReadable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password)
    return true
  } catch (error) {
    if (error instanceof URIError) return false
    throw error
  }
}

function exceptions(list: string): (target: Target) => boolean {
  const subnets: string[] = []
  const names: { readonly name: string; readonly port: string }[] = []
  for (const entry of list.toLowerCase().split(/[\s,]+/)) {
    if (!entry.includes('/')) {
      const [, name = '', port = ''] =
        /^(.*?)(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? []
      if (name !== '') names.push({ name: plain(name).replace(/^\*?\./, ''), port })
    } else if (parseCidr(entry) !== undefined) {
      subnets.push(entry)
    }
  }
  const isInSubnet = cidrList(subnets)
  return ({ protocol, hostname, port: given }) => {
    const host = plain(hostname.toLowerCase())
    const port = given || (protocol === 'https:' ? '443' : '80')
    if (isInSubnet(host)) return true
    return names.some(
      (entry) =>
        (entry.port === '' || entry.port === port) &&
        (entry.name === '*' || entry.name === host || (isIP(host) === 0 && host.endsWith(`.${entry.name}`))),
    )
  }
}

/** Removes brackets, and the dot at the end of a fully qualified name. */
function plain(host: string): string {
  return host.replaceAll(/^\[|\]$|\.$/g, '')
}
