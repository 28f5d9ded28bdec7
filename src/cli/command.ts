import type { ParseArgsOptionDescriptor } from 'node:util'
import type { Config } from '../config/load-config.ts'
import type { ImagePattern } from '../oci/image-pattern.ts'
import { IMAGE_PATTERN_MUST, parseImagePattern } from '../oci/image-pattern.ts'
import type { Operations } from '../ports/operations.ts'

/** One thing that `entrepot` does. */
export interface Command {
  /** What may follow its name, `[pattern] [--json]`. */
  readonly synopsis: string
  readonly summary: string
  /** Positional arguments it takes, at least and at most. */
  readonly takes: readonly [least: number, most: number]
  /** Beside `--config` and `--help`. */
  readonly options: Readonly<Record<string, ParseArgsOptionDescriptor>>
  /** @returns the exit code. @throws UsageMistake */
  run(invocation: Invocation): Promise<number>
}

export interface Invocation {
  readonly config: Config
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, string | boolean | undefined>>
  readonly stdout: Output
  readonly stderr: Output
}

/** What a command does with the store that the configuration means. */
export type StoreCommand = (operations: Operations, invocation: Invocation) => Promise<number>

/** A stream, and how many columns the terminal has that it ends at, if it does. */
export interface Output {
  write(text: string): unknown
  readonly columns?: number | undefined
}

/** Said as it is, with the exit code for it. */
export class UsageMistake extends Error {}

/** @throws UsageMistake */
export function patternFrom(text: string, { config }: Invocation): ImagePattern {
  const pattern = parseImagePattern(text, Object.keys(config.upstreams))
  if (pattern === undefined) throw new UsageMistake(`${JSON.stringify(text)} ${IMAGE_PATTERN_MUST}`)
  return pattern
}
