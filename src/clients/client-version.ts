/** The version of a client, as far as its configuration depends on it. */
export interface ClientVersion {
  readonly major: number
  readonly minor: number
}

/**
 * Finds the first version in a text: what `dockerd --version` prints, or `2.1`. @returns undefined without
 * one
 */
export function parseClientVersion(text: string): ClientVersion | undefined {
  const [, major, minor] = /(?<![\w.])v?(\d+)\.(\d+)/.exec(text) ?? []
  return minor === undefined ? undefined : { major: Number(major), minor: Number(minor) }
}

export function isAtLeast({ major, minor }: ClientVersion, least: readonly [number, number]): boolean {
  return major > least[0] || (major === least[0] && minor >= least[1])
}
