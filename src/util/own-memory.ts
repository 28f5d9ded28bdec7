/**
 * The memory that `bytes` are in, which nobody else has a part of: to be handed over to another thread, or
 * freed, with all that it holds. Short bytes may be in Node's pool, and have none.
 */
export function memoryOf({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && byteLength >= Buffer.poolSize ? [buffer] : []
}

/** Frees it at once. V8 would free it when it collects the heap, which it does for much such memory. */
export function freeMemory(bytes: Uint8Array): void {
  for (const memory of memoryOf(bytes)) if (!memory.detached) memory.transfer(0)
}
