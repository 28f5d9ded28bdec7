/** The kinds of URLs in the file. */
import { scalar } from './scalars.ts'

/** The origin of a URL, `https://ghcr.io`. A path is refused, or with `anyPath` dropped. */
export function origin({ anyPath = false } = {}) {
  const without = anyPath ? 'credentials or query' : 'credentials, path or query'
  return scalar({
    must: `must be an http or https URL without ${without}, such as https://registry.example.com`,
    parse(written) {
      const url = /^https?:\/\/[^/]/i.test(String(written)) ? URL.parse(String(written)) : null
      if (url === null) return undefined
      const { pathname } = url
      return url.href === url.origin + pathname && (anyPath || pathname === '/') ? url.origin : undefined
    },
  })
}

/** The URL of a proxy, which may have a login. */
export function proxy() {
  return scalar({
    must: 'must be an http or https URL without path or query, such as http://proxy.internal:3128',
    parse(written) {
      const url = /^https?:\/\/[^/]/i.test(String(written)) ? URL.parse(String(written)) : null
      if (url === null || url.pathname !== '/' || url.search !== '' || url.hash !== '') return undefined
      return isDecodable(url.username + url.password) ? url.href.replace(/\/$/, '') : undefined
    },
  })
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch (error) {
    if (error instanceof URIError) return false
    throw error
  }
}

/** An https URL; http is allowed on the loopback. */
export function webAddress() {
  return scalar({
    must: 'must be an https URL without credentials, such as https://issuer.example/keys',
    parse(written) {
      const url = URL.parse(String(written))
      if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return undefined
      const isLocal = url.protocol === 'http:' && /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname)
      return url.protocol === 'https:' || isLocal ? url.href : undefined
    },
  })
}

/** Of a collector of traces. */
export function collectorUrl() {
  return scalar({
    must: 'must be an http or https URL without credentials or query, such as http://collector:4318',
    parse(written) {
      const url = /^https?:\/\/[^/]/i.test(String(written)) ? URL.parse(String(written)) : null
      return url !== null && url.href === url.origin + url.pathname ? url.href : undefined
    },
  })
}

/** Where a webhook is. It may tell a secret, as those of chat services do. */
export function webhookUrl() {
  return scalar({
    must: 'must be an http or https URL without credentials, such as https://hooks.example/entrepot',
    parse(written) {
      const url = /^https?:\/\/[^/]/i.test(String(written)) ? URL.parse(String(written)) : null
      if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return undefined
      return url.href
    },
  })
}
