export const ADMIN_TOKEN = /^[!-~]{16,512}$/
export const ADMIN_TOKEN_MUST = 'a token of at least 16 printable characters of ASCII, without spaces'

/** Parses the text of a token file. @throws Error when it is not a token */
export function adminToken(text: string): string {
  const token = text.trim()
  if (!ADMIN_TOKEN.test(token)) throw new Error(`must be a file with ${ADMIN_TOKEN_MUST}`)
  return token
}
