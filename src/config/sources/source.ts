import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml'
import type { KeyPath } from '../issues.ts'

/** Where a configuration comes from. */
export interface ConfigSource {
  /** The values as they are written. */
  readonly tree: unknown
  /** `proxy.config.yaml:3`; the line of the nearest key around it where the key is missing. */
  where(path: KeyPath): string
  /** Sorts keys in the order in which they are written. */
  positionOf(path: KeyPath): number
}

export function yamlSource(file: string, document: Document, lines: LineCounter): ConfigSource {
  return {
    tree: document.toJS() ?? {},
    where(path) {
      const offset = offsetOf(document, path)
      return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`
    },
    positionOf: (path) => offsetOf(document, path) ?? 0,
  }
}

/** Where a key, or an item of a list, begins in the text. undefined in an empty file. */
function offsetOf(document: Document, path: KeyPath): number | undefined {
  let node = document.contents as Node | null
  let offset = node?.range?.[0]
  for (const key of path) {
    const child = childOf(isAlias(node) ? node.resolve(document) : node, key)
    if (child === undefined) break
    offset = child.offset ?? offset
    node = child.node
  }
  return offset
}

function childOf(node: Node | null | undefined, key: PropertyKey) {
  if (isMap(node)) {
    const pair = node.items.find(({ key: name }) => isScalar(name) && String(name.value) === key)
    return pair && { node: pair.value as Node | null, offset: (pair.key as Node).range?.[0] }
  }
  if (isSeq(node)) {
    const item = node.items[Number(key)] as Node | null | undefined
    return item ? { node: item, offset: item.range?.[0] } : undefined
  }
  return undefined
}
