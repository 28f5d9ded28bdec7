import type { RunningTransfer } from '../../ports/insight/insight.ts'

/** How far a layer is that is taken by the first protocol. It has no digest yet: the id of its image names it. */
export function layerProgress(
  upstream: string,
  id: string,
  now: () => number,
): { add(filled: number, total: number | undefined): void; view(): RunningTransfer } {
  let first: { readonly at: number; readonly filled: number } | undefined
  let filled = 0
  let size: number | undefined
  return {
    add(end, total) {
      first ??= { at: now(), filled: end }
      filled = end
      size = total
    },
    view() {
      const seconds = first === undefined ? 0 : (now() - first.at) / 1000
      const bytesPerSecond = seconds > 0 ? Math.round(Math.max(0, filled - first!.filled) / seconds) : 0
      return { upstream, digest: `image ${id}`, size, filled, bytesPerSecond, followers: 1 }
    },
  }
}
