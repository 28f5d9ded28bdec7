import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { mock, test } from 'node:test'
import { watchNpm } from '../../src/cli/service/parent-watch.ts'
import { followStopSignals } from '../../src/cli/service/stop-signals.ts'

function follow() {
  const signals = new EventEmitter()
  const seen: string[] = []
  const clock = { now: 1_000 }
  followStopSignals(signals, {
    now: () => clock.now,
    stop: (signal) => void seen.push(signal),
    exit: () => void seen.push('exit'),
  })
  return { signals, seen, clock }
}

test('FR-30: a second signal within 300 ms is the same one, a later one ends it at once', () => {
  const { signals, seen, clock } = follow()
  signals.emit('SIGINT', 'SIGINT')
  clock.now += 300
  signals.emit('SIGINT', 'SIGINT')
  signals.emit('SIGTERM', 'SIGTERM')
  assert.deepEqual(seen, ['SIGINT'])
  clock.now += 1
  signals.emit('SIGTERM', 'SIGTERM')
  assert.deepEqual(seen, ['SIGINT', 'exit'])
})

test('FR-30: the end of npm is noticed, once, and that of other parents is not', () => {
  mock.timers.enable({ apis: ['setInterval'] })
  try {
    const cases = [
      [{ npm_lifecycle_event: 'start', npm_package_name: 'entrepot' }, 1],
      [{ npm_lifecycle_event: 'npx' }, 1],
      [{ npm_lifecycle_event: 'start', npm_package_name: 'another' }, 0],
      [{ npm_lifecycle_event: 'test', npm_package_name: 'entrepot' }, 0],
      [{}, 0],
    ] as const
    for (const [env, times] of cases) {
      const process = { ppid: 7 }
      const gone: number[] = []
      watchNpm(env, process, (parent) => gone.push(parent))
      mock.timers.tick(5_000)
      assert.deepEqual(gone, [])
      process.ppid = 1
      mock.timers.tick(5_000)
      assert.deepEqual(gone, Array(times).fill(7), JSON.stringify(env))
    }
  } finally {
    mock.timers.reset()
  }
})
