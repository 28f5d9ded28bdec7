import { write, writeSync } from 'node:fs'
import type { LineOutput } from './line-writer.ts'

/**
 * A file, or a pipe or socket that does not block. Another thread waits for the disk. A sink that is gone
 * (EPIPE), or a full disk, takes everything and keeps nothing: the service outlives its log.
 */
export function descriptorOutput(fd: number): LineOutput {
  return {
    write: (bytes) =>
      new Promise((resolve) =>
        write(fd, bytes, (error, written) => resolve(error ? lost(error, bytes) : written)),
      ),
    writeSync(bytes) {
      try {
        return writeSync(fd, bytes)
      } catch (error) {
        return lost(error as NodeJS.ErrnoException, bytes)
      }
    },
  }
}

function lost({ code }: NodeJS.ErrnoException, bytes: Buffer): number {
  return code === 'EAGAIN' || code === 'EWOULDBLOCK' ? 0 : bytes.length
}

export interface TextStream {
  write(text: string): unknown
  readonly writableNeedDrain: boolean
}

/** A stream that writes for itself what it has taken, when the process ends too. */
export function streamOutput(stream: TextStream): LineOutput {
  const take = (bytes: Buffer): number => {
    stream.write(bytes.toString())
    return bytes.length
  }
  return {
    async write(bytes) {
      if (stream.writableNeedDrain) return 0
      return take(bytes)
    },
    writeSync: take,
  }
}
