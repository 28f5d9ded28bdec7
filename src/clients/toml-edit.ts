import { isDeepStrictEqual } from 'node:util'
import { parse, type TomlTable } from 'smol-toml'

export type TomlValue = string | number | boolean | readonly string[]

/**
 * Sets one key of one table, and leaves every other line as it is, comments included.
 *
 * @param text a TOML document
 * @param table `['plugins', 'io.containerd.cri.v1.images', 'registry']`
 * @throws Error when the document cannot be read, or writes the table in a way that cannot be changed line by line
 */
export function setTomlKey(text: string, table: readonly string[], key: string, value: TomlValue): string {
  const before = readToml(text)
  if (isDeepStrictEqual(valueAt(before, [...table, key]), value)) return text
  const line = `${key} = ${JSON.stringify(value)}`
  const after = withLine(text, table, key, line)
  // Copies have a prototype, which parsed tables may not have.
  const wanted = structuredClone(before)
  tableAt(wanted, table)[key] = value as never
  if (!isDeepStrictEqual(structuredClone(readOrUndefined(after)), wanted))
    throw new Error(`set \`${line}\` in ${headerOf(table)} by hand: the file writes it in another way`)
  return after
}

/** @throws Error that says where it is malformed */
export function readToml(text: string): TomlTable {
  try {
    return parse(text)
  } catch (error) {
    throw new Error(`is not TOML: ${(error as Error).message.split('\n')[0]}`, { cause: error })
  }
}

/** @returns undefined when there is nothing at `path` */
export function valueAt(table: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    table,
  )
}

function withLine(text: string, table: readonly string[], key: string, line: string): string {
  const lines = text.split('\n')
  const header = lines.findIndex((line) => isDeepStrictEqual(headerIn(line), table))
  if (header < 0) {
    const start = text.trim() === '' ? '' : `${text.replace(/\n*$/, '')}\n\n`
    return `${start}${headerOf(table)}\n${line}\n`
  }
  const next = lines.findIndex((line, i) => i > header && headerIn(line) !== undefined)
  const end = next < 0 ? lines.length : next
  const old = lines.findIndex((line, i) => i > header && i < end && line.split('=')[0]!.trim() === key)
  const [indent = ''] = /^\s*/.exec(lines[old < 0 ? header : old]!) ?? []
  return lines.toSpliced(old < 0 ? header + 1 : old, old < 0 ? 0 : 1, `${indent}${line}`).join('\n')
}

/** The path in `[a."b.c"]`; undefined of any other line. */
function headerIn(line: string): readonly string[] | undefined {
  const [, inside] = /^\s*\[([^[].*)\]\s*(?:#.*)?$/.exec(line) ?? []
  if (inside === undefined) return undefined
  const parts = [...inside.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g)]
  return parts.map(([, basic, literal, bare]) => basic ?? literal ?? bare!)
}

function headerOf(table: readonly string[]): string {
  return `[${table.map((part) => (/^[\w-]+$/.test(part) ? part : JSON.stringify(part))).join('.')}]`
}

function readOrUndefined(text: string): TomlTable | undefined {
  try {
    return parse(text)
  } catch {
    // The edit does not fit the document.
    return undefined
  }
}

function tableAt(root: TomlTable, path: readonly string[]): TomlTable {
  return path.reduce<TomlTable>((table, key) => (table[key] ??= {}) as TomlTable, root)
}
