/** Loaded before the proxy (`node --import`): the wall clock of its process is a day ahead. */
const AHEAD = 26 * 3_600_000
const { now } = Date

globalThis.Date = new Proxy(Date, {
  construct: (target, args: unknown[], newTarget) =>
    Reflect.construct(target, args.length === 0 ? [Date.now()] : args, newTarget) as Date,
})
Date.now = () => now() + AHEAD
