import { Counter, type CounterConfiguration } from 'prom-client'

/**
 * A counter that is added to with each request. It adds up in memory, and tells prom-client when that is
 * scraped: prom-client sorts and joins the labels at each increment, which is a twentieth of a small answer.
 */
export class Tally<Label extends string> {
  readonly #names: readonly Label[]
  /** By the values of the labels. There are as few as there are series. */
  readonly #pending = new Map<string, { readonly values: readonly string[]; sum: number }>()

  constructor(options: CounterConfiguration<Label> & { readonly labelNames: readonly Label[] }) {
    this.#names = options.labelNames
    const counter: Counter<Label> = new Counter({ ...options, collect: () => this.#tell(counter) })
  }

  /** `values`: of the labels, in their order. */
  add(count: number, ...values: readonly string[]): void {
    const key = values.length === 1 ? values[0]! : values.join(' ')
    const known = this.#pending.get(key)
    if (known === undefined) this.#pending.set(key, { values, sum: count })
    else known.sum += count
  }

  #tell(counter: Counter<Label>): void {
    for (const { values, sum } of this.#pending.values()) {
      const labels = Object.fromEntries(this.#names.map((name, at) => [name, values[at]!]))
      counter.inc(labels as Record<Label, string>, sum)
    }
    this.#pending.clear()
  }
}
