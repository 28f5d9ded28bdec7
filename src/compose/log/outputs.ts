import { constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import type { LineOutput } from './line-writer.ts'

/**
 * A file, or a pipe or socket that does not block. Another thread waits for the disk; a pipe is written to at
 * once, for that takes less time than to wake the thread. A sink that is gone (EPIPE), or a full disk, takes
 * everything and keeps nothing: the service outlives its log.
 */
export function descriptorOutput(fd: number): LineOutput {
  const pipe = ownPipe(fd)
  const writeAtOnce = (bytes: Buffer): number => {
    try {
      return writeSync(pipe ?? fd, bytes)
    } catch (error) {
      return lost(error as NodeJS.ErrnoException, bytes)
    }
  }
  return {
    write:
      pipe === undefined
        ? (bytes) =>
            new Promise((resolve) =>
              write(fd, bytes, (error, written) => resolve(error ? lost(error, bytes) : written)),
            )
        : async (bytes) => writeAtOnce(bytes),
    writeSync: writeAtOnce,
  }
}

/**
 * Opens the pipe behind a descriptor once more. It never blocks, while `fd` blocks as soon as a child process
 * that inherits it says so. undefined = it is no pipe, or one of another user, or this is not Linux.
 */
function ownPipe(fd: number): number | undefined {
  try {
    if (!fstatSync(fd).isFIFO()) return undefined
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    return undefined
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
