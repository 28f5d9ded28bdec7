/** What is wrong with the configuration, in one line without secrets. The process cannot start: EX_CONFIG, 78 (sysexits.h). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(line: string) {
    super(line.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' '))
  }
}

/** Instead of a secret. */
export const MASK = '********'
