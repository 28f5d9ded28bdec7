/** What counts without prom-client says the same as prom-client. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Counter, Histogram, Registry } from 'prom-client'
import { Tally } from '../../src/admin/metrics/tally.ts'
import { TallyHistogram } from '../../src/admin/metrics/tally-histogram.ts'

const labelNames = ['kind', 'result'] as const
const label = fc.constantFrom('a', 'b', 'a b', '', '"\\\n')
const observations = fc.array(fc.tuple(fc.constantFrom(0, 0.25, 0.5, 1, 7.5), label, label))

test('a tally and a histogram render as those of prom-client do, at each scrape', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(observations, { minLength: 1, maxLength: 3 }), async (scrapes) => {
      const [ours, theirs] = [new Registry(), new Registry()]
      const options = { name: 'seconds', help: 'Seconds.', labelNames, buckets: [0.25, 1, 5] }
      const tallied = new TallyHistogram({ ...options, registers: [ours] })
      const plain = new Histogram({ ...options, registers: [theirs] })
      const total = { name: 'total', help: 'All.', labelNames }
      const tally = new Tally({ ...total, registers: [ours] })
      const counter = new Counter({ ...total, registers: [theirs] })
      for (const scrape of scrapes) {
        for (const [value, kind, result] of scrape) {
          tallied.observe(value, kind, result)
          plain.observe({ kind, result }, value)
          tally.add(value, kind, result)
          counter.inc({ kind, result }, value)
        }
        const [got, wanted] = await Promise.all([ours, theirs].map((it) => it.metrics()))
        assert.deepEqual(got!.split('\n').toSorted(), wanted!.split('\n').toSorted())
      }
    }),
  )
})
