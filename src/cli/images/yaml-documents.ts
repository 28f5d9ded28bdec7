import { parseAllDocuments } from 'yaml'

/** The mappings of a YAML text, with what `<<` merges into them. @throws Error that says why it is no YAML */
export function documentsIn(text: string): readonly Readonly<Record<string, unknown>>[] {
  const documents = parseAllDocuments(text, { logLevel: 'silent', uniqueKeys: false, merge: true })
  if (!Array.isArray(documents)) return []
  const error = documents.flatMap(({ errors }) => errors)[0]
  if (error !== undefined) throw new Error(`is no YAML: ${error.message.split('\n')[0]}`)
  // Aliases are expanded this often, which real files need for their templates of services.
  const values = documents.map((document): unknown => document.toJS({ maxAliasCount: 1_000 }))
  return values.filter(isMapping)
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
