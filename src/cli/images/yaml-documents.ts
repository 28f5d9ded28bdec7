import { parseAllDocuments } from 'yaml'

/** The mappings of a YAML text; undefined when it is no YAML, or has none. */
export function documentsIn(text: string): readonly Readonly<Record<string, unknown>>[] | undefined {
  const documents = parseAllDocuments(text, { logLevel: 'silent', uniqueKeys: false })
  if (!Array.isArray(documents) || documents.some(({ errors }) => errors.length > 0)) return undefined
  // Aliases are expanded this often, which real files need for their templates of services.
  const values = documents.map((document): unknown => document.toJS({ maxAliasCount: 1_000 }))
  return values.filter(isMapping)
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
