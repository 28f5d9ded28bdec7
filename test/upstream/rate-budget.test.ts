import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UpstreamResponse } from '../../src/upstream/requests.ts'
import { rateBudget } from '../../src/upstream/resilience/rate-budget.ts'

const response = (headers: Record<string, string>) => ({ headers }) as unknown as UpstreamResponse

test('what upstream says of its limits', () => {
  const table: [
    headers: Record<string, string>,
    remaining: number | undefined,
    isNearlyExhausted: boolean,
  ][] = [
    [{}, undefined, false],
    [{ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' }, 76, false],
    [{ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '9;w=21600' }, 9, true],
    [{ 'ratelimit-limit': '100', 'ratelimit-remaining': '0', 'ratelimit-reset': '30' }, 0, true],
    [{ 'ratelimit-remaining': '3' }, 3, false],
    [{ 'ratelimit-limit': 'many', 'ratelimit-remaining': 'few' }, undefined, false],
    [{ 'ratelimit-limit': '0', 'ratelimit-remaining': '0' }, 0, false],
  ]
  for (const [headers, remaining, isNearlyExhausted] of table) {
    const budget = rateBudget(() => 0)
    assert.equal(budget.observe(response(headers)), remaining, JSON.stringify(headers))
    assert.equal(budget.isNearlyExhausted, isNearlyExhausted, JSON.stringify(headers))
  }
})

test('scarcity ends with the window, or when upstream says so', () => {
  let now = 0
  const budget = rateBudget(() => now)
  const few = response({ 'ratelimit-limit': '100;w=60', 'ratelimit-remaining': '1;w=60' })
  budget.observe(few)
  now = 59_999
  assert.equal(budget.isNearlyExhausted, true)
  now = 60_000
  assert.equal(budget.isNearlyExhausted, false)
  budget.observe(few)
  budget.observe(response({ 'ratelimit-limit': '100;w=60', 'ratelimit-remaining': '100;w=60' }))
  assert.equal(budget.isNearlyExhausted, false)
})
