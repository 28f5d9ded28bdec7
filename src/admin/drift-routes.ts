import { Hono } from 'hono'
import type { DriftReport } from '../ports/time.ts'
import { type AdminEnv, refuse } from './refuse.ts'

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `GET drift?since=7d`: which tags moved. `drift` takes milliseconds. */
export function driftRoutes(drift: (period: number) => Promise<DriftReport>): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get('/drift', async (c) =>
    c.json(await drift(periodIn(c.req.query('since') ?? '7d'))),
  )
}

function periodIn(text: string): number {
  const [, count, unit] =
    /^([1-9]\d{0,4})([mhd])$/.exec(text) ?? refuse(400, 'since must be a time such as 90m, 12h or 7d')
  return Number(count) * UNITS[unit!]!
}
