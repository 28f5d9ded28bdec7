/** The configuration is wrong, in one line for each issue, without secrets. The process exits with 78. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(lines: readonly string[]) {
    super(lines.map(oneLine).join('\n'))
  }
}

/** Replaces a secret. */
export const MASK = '********'

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
}
