/**
 * One leaf for each combination of values of some labels. It is found label by label: to join the values to a
 * key, and to hash that, costs more than the rest of counting.
 */
export class LabelTree<Leaf> {
  readonly #root: Node<Leaf> = { children: new Map(), leaf: undefined }
  readonly #make: () => Leaf

  constructor(make: () => Leaf) {
    this.#make = make
  }

  /** `values`: of the labels, always in the same order. */
  at(values: readonly string[]): Leaf {
    let node = this.#root
    for (const value of values) {
      let child = node.children.get(value)
      if (child === undefined) {
        child = { children: new Map(), leaf: undefined }
        node.children.set(value, child)
      }
      node = child
    }
    return (node.leaf ??= this.#make())
  }

  /** Every leaf with its labels, which have these names. */
  *entries<Label extends string>(names: readonly Label[]): Generator<[Record<Label, string>, Leaf]> {
    for (const [values, leaf] of leavesIn(this.#root, [])) {
      const labels = Object.fromEntries(names.map((name, at) => [name, values[at]!]))
      yield [labels as Record<Label, string>, leaf]
    }
  }
}

interface Node<Leaf> {
  readonly children: Map<string, Node<Leaf>>
  leaf: Leaf | undefined
}

function* leavesIn<Leaf>(
  { children, leaf }: Node<Leaf>,
  values: readonly string[],
): Generator<[readonly string[], Leaf]> {
  if (leaf !== undefined) yield [values, leaf]
  for (const [value, child] of children) yield* leavesIn(child, [...values, value])
}
