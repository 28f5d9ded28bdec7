import type { RegistryError } from '../../oci/errors.ts'

/** Why an image was not pushed, and what to do about it. */
export function failureText({ code, message, detail }: RegistryError): string {
  const { upstream, status, reason } = detail
  const said = [status, reason].filter((part) => part !== undefined).join(' ')
  const who = upstream === undefined ? '' : `${upstream}: `
  if (code === 'UPSTREAM_DENIED')
    return `${who}access denied (${said}): check the credentials and their rights`
  if (code === 'UPSTREAM_LIMITED') return `${who}rate limit reached (${said}): push again later`
  if (code === 'UPSTREAM_INVALID' && reason === 'MANIFEST_BLOB_UNKNOWN') {
    return `${who}it does not take the manifest (${said}): it may want every platform of an index`
  }
  if (code === 'UPSTREAM_INVALID' && reason === 'NAME_UNKNOWN') {
    return `${who}there is no such repository (${said}): it may have to be created first`
  }
  if (code === 'UPSTREAM_UNAVAILABLE' || code === 'UPSTREAM_TIMEOUT')
    return `${who}unavailable (${said})${adviceFor(String(reason))}`
  if (code === 'UPSTREAM_INVALID') return `${who}unexpected answer (${said})`
  return `${who}${message}${reason === undefined ? '' : ` (${reason})`}`
}

/** For what does not pass by itself. */
function adviceFor(reason: string): string {
  if (reason === 'ENOTFOUND') return ': the name does not resolve'
  if (reason.startsWith('ERR_SSL_')) return ': if it speaks no TLS, write http:// before its name'
  if (/SELF_SIGNED|^UNABLE_TO_/.test(reason))
    return ': its authority is not trusted here; name it by ca, of an upstream with its name or of the rule'
  return ''
}
