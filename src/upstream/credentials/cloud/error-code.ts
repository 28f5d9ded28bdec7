import { jsonObject, parseJsonObject } from '../../../util/json-object.ts'

/**
 * The code of an error that a cloud answers: Amazon's JSON (`__type`) and XML (`<Code>`) protocols, Google's
 * APIs (`error.status`), OAuth (`error`, RFC 6749 section 5.2) and the distribution specification.
 *
 * @returns undefined where there is none. Texts for people are left out: they may repeat what we sent.
 */
export function errorCodeIn(text: string): string | undefined {
  const body = parseJsonObject(text)
  const found = body === undefined ? /<Code>([^<]*)<\/Code>/.exec(text)?.[1] : codeOf(body)
  return typeof found === 'string' && /^[A-Za-z][\w.-]{1,63}$/.test(found) ? found : undefined
}

function codeOf(body: NonNullable<ReturnType<typeof parseJsonObject>>): unknown {
  const type = body['__type']
  // A Smithy shape may have its namespace before it.
  if (typeof type === 'string') return type.slice(type.lastIndexOf('#') + 1)
  const { error, errors, error_codes: entra } = body
  // Entra ID numbers its reasons, `AADSTS70021`, by which its documentation lists them.
  if (Array.isArray(entra) && Number.isSafeInteger(entra[0])) return `AADSTS${entra[0]}`
  if (Array.isArray(errors)) return jsonObject(errors[0])?.['code']
  return typeof error === 'string' ? error : (jsonObject(error)?.['status'] ?? body['code'])
}
