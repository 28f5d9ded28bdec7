import { Histogram, type HistogramConfiguration, type MetricValueWithName, type Registry } from 'prom-client'
import { KeyTree } from '../../util/key-tree.ts'
import { labelled } from './tally.ts'

interface Series {
  /** By bucket; the last one is for what is beyond all bounds. */
  readonly counts: number[]
  sum: number
}

export interface TallyHistogramOptions<Label extends string> extends HistogramConfiguration<Label> {
  readonly labelNames: readonly Label[]
  readonly buckets: number[]
  readonly registers: Registry[]
}

/** A histogram that is told of each request. It adds up itself, for the reason of `Tally`. */
export class TallyHistogram<Label extends string> {
  readonly #name: string
  readonly #labels: readonly Label[]
  readonly #bounds: readonly number[]
  readonly #series = new KeyTree<Series>()

  constructor(options: TallyHistogramOptions<Label>) {
    const { name, labelNames, buckets, registers } = options
    this.#name = name
    this.#labels = labelNames
    this.#bounds = buckets
    const empty = new Histogram({ ...options, registers: [] })
    // Of a metric, a register uses nothing else.
    const metric = { name, get: async () => ({ ...(await empty.get()), values: this.#values() }) }
    for (const register of registers) register.registerMetric(metric as unknown as Histogram<Label>)
  }

  /** `values`: of the labels, in their order. */
  observe(value: number, ...values: readonly string[]): void {
    const series = this.#series.get(values) ?? this.#series.set(values, this.#empty())
    let bucket = 0
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket += 1
    series.counts[bucket]! += 1
    series.sum += value
  }

  #empty(): Series {
    return { counts: [...this.#bounds, Infinity].map(() => 0), sum: 0 }
  }

  #values(): MetricValueWithName<string>[] {
    const values: MetricValueWithName<string>[] = []
    const name = this.#name
    for (const [of, { counts, sum }] of this.#series.entries()) {
      const labels = labelled(this.#labels, of)
      let count = 0
      for (const [bucket, inBucket] of counts.entries()) {
        count += inBucket
        const le = this.#bounds[bucket] ?? '+Inf'
        values.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: count })
      }
      values.push({ metricName: `${name}_sum`, labels, value: sum })
      values.push({ metricName: `${name}_count`, labels, value: count })
    }
    return values
  }
}
