import { Counter, type CounterConfiguration } from 'prom-client'
import { LabelTree } from './label-tree.ts'

/**
 * A counter that is added to with each request. It adds up in memory, and tells prom-client when that is
 * scraped: prom-client sorts and joins the labels at each increment, which is a twentieth of a small answer.
 */
export class Tally<Label extends string> {
  readonly #names: readonly Label[]
  readonly #pending = new LabelTree(() => ({ sum: 0 }))

  constructor(options: CounterConfiguration<Label> & { readonly labelNames: readonly Label[] }) {
    this.#names = options.labelNames
    const counter: Counter<Label> = new Counter({ ...options, collect: () => this.#tell(counter) })
  }

  /** `values`: of the labels, in their order. */
  add(count: number, ...values: readonly string[]): void {
    this.#pending.at(values).sum += count
  }

  #tell(counter: Counter<Label>): void {
    for (const [labels, pending] of this.#pending.entries(this.#names)) {
      counter.inc(labels, pending.sum)
      pending.sum = 0
    }
  }
}
