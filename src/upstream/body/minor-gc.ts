/** Reports that `bytes` of response bodies were received. */
export type MinorGc = (bytes: number) => void

/**
 * Collects the young generation after every `interval` received bytes.
 *
 * Every chunk from a socket is memory outside V8's heap. V8 frees it when it collects the few bytes on the
 * heap that stand for it, which it does only after 64 MiB of them, and then for the whole heap. A collection
 * of the young generation, where all of them are, takes a fraction of a millisecond. Measured on a cold 512
 * MiB blob: half the CPU time, 40 MiB less peak memory. On tag lists of 11 MB: one collection of the whole heap
 * instead of seven, each of which holds the event loop for 3 ms and more.
 *
 * @param collect runs one minor collection. V8 exposes it behind `--expose-gc`, so the program's entry point
 * provides it.
 */
export function minorGc(collect: () => void, interval = 4 * 1024 * 1024): MinorGc {
  let received = 0
  return (bytes) => {
    received += bytes
    if (received < interval) return
    received = 0
    collect()
  }
}
