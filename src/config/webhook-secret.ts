export const WEBHOOK_SECRET = /^[!-~]{16,512}$/
export const WEBHOOK_SECRET_MUST = 'a secret of at least 16 printable characters of ASCII, without spaces'

/** Parses the text of a secret file. @throws Error when it is no secret */
export function webhookSecret(text: string): string {
  const secret = text.trim()
  if (!WEBHOOK_SECRET.test(secret)) throw new Error(`must be a file with ${WEBHOOK_SECRET_MUST}`)
  return secret
}
