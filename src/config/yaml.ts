import { type Document, LineCounter, parseDocument, visit } from 'yaml'
import { ConfigError, MASK } from './config-error.ts'

/** @throws ConfigError `proxy.config.yaml:3:5: …` */
export function parseYaml(file: string, text: string): unknown {
  const lineCounter = new LineCounter()
  const mistakeAt = (offset: number, what: string) => {
    const { line, col } = lineCounter.linePos(offset)
    return new ConfigError(`${file}:${line}:${col}: ${what}`)
  }

  const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem?.code === 'DUPLICATE_KEY') {
    const [key] = /^[^\s:]*/.exec(text.slice(problem.pos[0]))!
    throw mistakeAt(problem.pos[0], `the key ${key} is there twice`)
  }
  if (problem !== undefined) throw mistakeAt(problem.pos[0], `bad YAML: ${withoutSource(problem.message)}`)
  refuseBadAliases(document, mistakeAt)
  try {
    return document.toJS() ?? {}
  } catch (error) {
    // Aliases of aliases of aliases: a few lines that would fill the memory.
    if (!(error instanceof ReferenceError)) throw error
    throw mistakeAt(0, `bad YAML: ${error.message}`)
  }
}

function refuseBadAliases(
  document: Document,
  mistakeAt: (offset: number, what: string) => ConfigError,
): void {
  visit(document, {
    Alias(_, alias, ancestors) {
      const target = alias.resolve(document)
      if (target === undefined)
        throw mistakeAt(alias.range![0], 'bad YAML: there is no anchor for this alias')
      if (ancestors.includes(target))
        throw mistakeAt(alias.range![0], 'bad YAML: an alias cannot contain itself')
    },
  })
}

/** The library quotes the text that it stumbled over, which may be a secret. */
function withoutSource(message: string): string {
  return message.replace(/(?<=[\w)])(?:[:;] | \\).*$/s, '').replaceAll(/!\S+/g, MASK)
}
