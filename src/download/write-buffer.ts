/** One body's bytes on their way to the store. */
export interface Gatherer {
  /** Takes the bytes that follow the last. @returns when there is room for more; undefined = now. @throws what writing threw. */
  add(chunk: Buffer): Promise<void> | undefined
  /** Resolves when all of it is written. @throws what writing threw; nothing is written after that. */
  flush(): Promise<void>
}

/** Bytes. A trip to the disk costs the same whatever it carries; from about here on that no longer shows. */
const PIECE = 512 * 1024
/** One gathers, one is written, and one still holds what was written last, for those who read closely behind. */
const PIECES = 3

/** Where bytes are gathered, made when first needed: for one gatherer after another of the same connection. */
export type Pieces = Buffer[]

/**
 * Writes what comes at once while nothing else is being written, and gathers what comes meanwhile: a slow body is passed on chunk
 * by chunk, a fast one in large pieces.
 *
 * @param write appends. What it was given stays as it is until the next write has ended.
 */
export function gatherer(pieces: Pieces, write: (bytes: Buffer) => Promise<void>): Gatherer {
  let turn = 0
  let gathered = 0
  let writing: Promise<void> | undefined
  let failure: { readonly reason: unknown } | undefined

  return {
    add(chunk) {
      if (failure !== undefined) throw failure.reason
      if (writing === undefined) {
        begin(chunk)
        return undefined
      }
      const piece = (pieces[turn] ??= Buffer.allocUnsafeSlow(PIECE))
      const taken = chunk.copy(piece, gathered)
      gathered += taken
      if (gathered < PIECE) return undefined
      return writing.then(() => (taken < chunk.length ? this.add(chunk.subarray(taken)) : undefined))
    },
    async flush() {
      while (isWriting()) await writing
      if (failure !== undefined) throw failure.reason
    },
  }

  function isWriting(): boolean {
    return writing !== undefined
  }

  function begin(bytes: Buffer): void {
    writing = write(bytes).then(proceed, (reason: unknown) => {
      writing = undefined
      failure = { reason }
    })
  }

  function proceed(): void {
    writing = undefined
    if (gathered === 0) return
    const bytes = pieces[turn]!.subarray(0, gathered)
    turn = (turn + 1) % PIECES
    gathered = 0
    begin(bytes)
  }
}
