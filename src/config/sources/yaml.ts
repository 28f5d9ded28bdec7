import { type Document, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import { ConfigError, MASK } from '../config-error.ts'
import { type ConfigSource, yamlSource } from './source.ts'

/** @throws ConfigError for the first error in the text: `proxy.config.yaml:3:5: …` */
export function parseYaml(file: string, text: string): ConfigSource {
  const lineCounter = new LineCounter()
  const errorAt = (offset: number, what: string) => {
    const { line, col } = lineCounter.linePos(offset)
    return new ConfigError([`${file}:${line}:${col}: ${what}`])
  }

  const document = parseDocument(shield(text), { lineCounter, prettyErrors: false, stringKeys: true })
  visit(document, { Scalar: (_, scalar) => void (scalar.value = unshield(scalar.value)) })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem?.code === 'DUPLICATE_KEY') {
    const [key] = /^[^\s:]*/.exec(text.slice(problem.pos[0]))!
    const first = firstOf(document, problem.pos[0])
    const where = first === undefined ? '' : `: it is on line ${lineCounter.linePos(first).line} already`
    throw errorAt(problem.pos[0], `duplicate key ${key}${where}`)
  }
  if (problem !== undefined)
    throw errorAt(problem.pos[0], `invalid YAML: ${withoutSource(problem.message)}${hintOn(problem)}`)
  refuseBadAliases(document, errorAt)
  try {
    return yamlSource(file, document, lineCounter)
  } catch (error) {
    // Aliases of aliases of aliases: a few lines would fill the memory.
    if (!(error instanceof ReferenceError)) throw error
    throw errorAt(0, `invalid YAML: ${error.message}`)
  }
}

/** What people mostly meant, by the codes of the library. */
const HINTS: Readonly<Record<string, string>> = {
  MULTILINE_IMPLICIT_KEY: ' (is there no colon behind a key?)',
  MISSING_CHAR: ' (is there no colon behind a key, or no space behind a dash?)',
  BLOCK_AS_IMPLICIT_KEY: ' (a value with a colon and a space needs quotes)',
  TAB_AS_INDENT: ' (write spaces)',
  BAD_SCALAR_START: ' (write it in quotes)',
}

function hintOn({ code, message }: { readonly code: string; readonly message: string }): string {
  // A quote that is missing has the code of a colon that is.
  return message.startsWith('Missing closing') ? '' : (HINTS[code] ?? '')
}

/** Where the key that is repeated at `offset` stands first. */
function firstOf(document: Document, offset: number): number | undefined {
  let found: number | undefined
  visit(document, {
    Map(_, { items }) {
      const keys = items.flatMap(({ key }) => (isScalar(key) && key.range ? [key] : []))
      const again = keys.find(({ range }) => range![0] === offset)
      if (again === undefined) return undefined
      found = keys.find(({ value }) => value === again.value)!.range![0]
      return visit.BREAK
    },
  })
  return found
}

const REFERENCE = /\$\{([^{}\s]*)\}/g
const SHIELDED = /\$\uE000([^{}\s]*?)\uE001/g

/**
 * Takes the braces of `${NAME}` for letters, in as many characters: to YAML they begin a mapping, and
 * `{ username: ci, password: ${TOKEN} }` were an error that nobody understands.
 */
function shield(text: string): string {
  return text.replaceAll(REFERENCE, '$$\uE000$1\uE001')
}

function unshield(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll(SHIELDED, '$${$1}') : value
}

function refuseBadAliases(document: Document, errorAt: (offset: number, what: string) => ConfigError): void {
  visit(document, {
    Alias(_, alias, ancestors) {
      const target = alias.resolve(document)
      if (target === undefined)
        throw errorAt(
          alias.range![0],
          'invalid YAML: this alias has no anchor (a value that begins with * needs quotes)',
        )
      if (ancestors.includes(target))
        throw errorAt(alias.range![0], 'invalid YAML: an alias cannot contain itself')
    },
  })
}

/** The library quotes the offending text, which may be a secret. */
function withoutSource(message: string): string {
  return message.replace(/(?<=[\w)])(?:[:;] | \\).*$/s, '').replaceAll(/!\S+/g, MASK)
}
