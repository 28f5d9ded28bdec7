import { Counter, type CounterConfiguration } from 'prom-client'
import { KeyTree } from '../../util/key-tree.ts'

/**
 * A counter that is added to with each request. It adds up in memory, and tells prom-client when that is
 * scraped: prom-client sorts and joins the labels at each increment, which is a twentieth of a small answer.
 */
export class Tally<Label extends string> {
  readonly #names: readonly Label[]
  /** By the values of the labels. There are as few as there are series. */
  readonly #pending = new KeyTree<{ sum: number }>()

  constructor(options: CounterConfiguration<Label> & { readonly labelNames: readonly Label[] }) {
    this.#names = options.labelNames
    const counter: Counter<Label> = new Counter({ ...options, collect: () => this.#tell(counter) })
  }

  /** `values`: of the labels, in their order. */
  add(count: number, ...values: readonly string[]): void {
    const pending = this.#pending.get(values) ?? this.#pending.set(values, { sum: 0 })
    pending.sum += count
  }

  #tell(counter: Counter<Label>): void {
    for (const [values, pending] of this.#pending.entries()) {
      counter.inc(labelled(this.#names, values), pending.sum)
      pending.sum = 0
    }
  }
}

export function labelled<Label extends string>(
  names: readonly Label[],
  values: readonly string[],
): Record<Label, string> {
  return Object.fromEntries(names.map((name, at) => [name, values[at]!])) as Record<Label, string>
}
