interface Node<Leaf> {
  readonly children: Map<string, Node<Leaf>>
  leaf: Leaf | undefined
}

/**
 * A map by several strings, always as many. It is a map in a map for each further one: to join them to a key,
 * and to hash that, costs more than two or three look-ups of strings that are known already.
 */
export class KeyTree<Leaf> {
  readonly #root: Node<Leaf> = { children: new Map(), leaf: undefined }

  get(keys: readonly string[]): Leaf | undefined {
    let node: Node<Leaf> | undefined = this.#root
    for (const key of keys) {
      node = node.children.get(key)
      if (node === undefined) return undefined
    }
    return node.leaf
  }

  set(keys: readonly string[], leaf: Leaf): Leaf {
    let node = this.#root
    for (const key of keys) {
      const child: Node<Leaf> = node.children.get(key) ?? { children: new Map(), leaf: undefined }
      node.children.set(key, child)
      node = child
    }
    node.leaf = leaf
    return leaf
  }

  entries(): Generator<[keys: readonly string[], leaf: Leaf]> {
    return leavesBelow(this.#root, [])
  }
}

function* leavesBelow<Leaf>(
  { children, leaf }: Node<Leaf>,
  keys: readonly string[],
): Generator<[readonly string[], Leaf]> {
  if (leaf !== undefined) yield [keys, leaf]
  for (const [key, child] of children) yield* leavesBelow(child, [...keys, key])
}
