import { z } from 'zod'

export interface SchemaKey {
  /** `['storage', 'maxSize']` */
  readonly path: readonly string[]
  /** Whether its value is written as one word: neither a mapping nor a list, nor one that may be either. */
  readonly isScalar: boolean
}

/** Every key of a schema of sections, sections too. What is in lists and in mappings by name has no key. */
export function schemaKeys(schema: z.core.$ZodType, path: readonly string[] = []): readonly SchemaKey[] {
  const node = unwrap(schema)
  const own = { path, isScalar: node instanceof z.ZodPipe }
  const inner = Object.entries(sectionOf(node)?.shape ?? {}).flatMap(([key, value]) =>
    schemaKeys(value, [...path, key]),
  )
  return path.length === 0 ? inner : [own, ...inner]
}

function sectionOf(node: z.core.$ZodType): z.ZodObject | undefined {
  const alternatives = node instanceof z.ZodUnion ? node.options.map(unwrap) : [node]
  return alternatives.find((alternative) => alternative instanceof z.ZodObject)
}

/** Without what says that it may be left out. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault ? unwrap(schema.unwrap()) : schema
}
