import { isRepositoryName } from '../../oci/reference.ts'
import { glob } from '../../util/glob.ts'

/** Where the repositories of a namespace are asked for that has moved or vanished. */
export interface RewriteRule {
  /** A pattern of `util/glob.ts` with one star at most. */
  readonly from: string
  /** It has the same star, which stands for the part of the name that `from` matched by it. */
  readonly to: string
  /** Ask there instead. Omitted: where the first name is unknown. */
  readonly always?: boolean | undefined
}

export interface OtherName {
  readonly name: string
  readonly always: boolean
}

/**
 * Compiles rules. The first one that matches a name decides; the result is not rewritten again.
 *
 * @returns a function that says by which other name a repository is asked for; undefined = by none
 */
export function rewriteRules(rules: readonly RewriteRule[]): (name: string) => OtherName | undefined {
  const compiled = rules.map(compile)
  return (name) => compiled.find(({ matches }) => matches(name))?.other(name)
}

function compile({ from, to, always = false }: RewriteRule) {
  const [head = '', , tail = ''] = from.split(/(\*+)/)
  return {
    matches: glob(from),
    other(asked: string): OtherName | undefined {
      const carried = asked.slice(head.length, asked.length - tail.length)
      const name = to.replace(/\*+/, () => carried)
      return name !== asked && isRepositoryName(name) ? { name, always } : undefined
    },
  }
}
