/** The configuration is wrong, in one line for each issue, without secrets. The process exits with 78. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(lines: readonly string[]) {
    super(lines.map(oneLine).join('\n'))
  }
}

/** Replaces a secret. */
export const MASK = '********'

/** Shortens a text, and masks what gives access in a pasted URL: `https://user:password@host/?token=…`. */
export function printable(text: string): string {
  const masked = text.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, `$1${MASK}@`)
  return (masked.includes('://') ? masked.replace(/[?#].*$/s, `?${MASK}`) : masked).slice(0, 200)
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
}
