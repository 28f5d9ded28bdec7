import type { Digest } from '../../oci/digest.ts'
import { isRegistryError, type RegistryError } from '../../oci/errors.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { TagEntry } from '../../ports/metadata.ts'
import { mutex } from '../../util/async/mutex.ts'
import { parseJsonObject } from '../../util/json-object.ts'
import { isRefusedFor } from '../database.ts'

/** What the other replicas are to know. To tell it twice does no harm. */
export type Message =
  | {
      readonly kind: 'link'
      readonly repository: RepositoryName
      readonly digest: Digest
      readonly mediaType?: string
    }
  | {
      readonly kind: 'tag'
      readonly repository: RepositoryName
      readonly tag: string
      readonly entry: TagEntry
    }
  | {
      readonly kind: 'tag removed'
      readonly repository: RepositoryName
      readonly tag: string
      readonly at: number
    }

/** Tells the others, or keeps what could not be told until it can. */
export interface Outbox extends AsyncDisposable {
  /** Settles when it is told, or kept. */
  send(message: Message): Promise<void>
  readonly waiting: number
}

/** Lines in a file, which outlive the process. */
export interface LineFile {
  readAll(): Promise<readonly string[]>
  append(line: string): Promise<void>
  replace(lines: readonly string[]): Promise<void>
}

/**
 * Messages that are kept. More would be of an outage of days; what is lost then has to be proved upstream by
 * the replica that is asked for it.
 */
const MOST = 50_000
/** Milliseconds between two tries to tell what was kept. */
const TRY_EVERY = 1_000
/** Messages told between two writes of the file. */
const STEP = 100

/** It is refused again, however often it is told. */
function isRefused({ detail }: RegistryError): boolean {
  return isRefusedFor(String(detail['reason']))
}

/** @param tell throws RegistryError STORAGE while the others cannot be told */
export async function openOutbox(
  file: LineFile,
  tell: (message: Message) => Promise<void>,
  failed: (error: unknown) => void,
): Promise<Outbox> {
  // What a crash cut off is no message.
  const kept = (await file.readAll()).filter(isMessage).slice(-MOST)
  await file.replace(kept).catch(failed)
  const exclusively = mutex()

  let timer: NodeJS.Timeout | undefined
  let flushing: Promise<void> = Promise.resolve()
  let isClosed = false

  function tryLater(): void {
    if (isClosed || kept.length === 0) return
    timer ??= setTimeout(() => {
      timer = undefined
      flushing = flush().catch(failed).then(tryLater)
    }, TRY_EVERY).unref()
  }

  async function told(message: Message): Promise<boolean> {
    try {
      await tell(message)
      return true
    } catch (error) {
      if (!isRegistryError(error, 'STORAGE')) throw error
      if (!isRefused(error)) return false
      failed(error)
      return true
    }
  }

  tryLater()
  return {
    async send(message) {
      if (kept.length === 0 && (await told(message))) return
      const line = JSON.stringify(message)
      await exclusively(async () => {
        if (kept.length >= MOST) return
        kept.push(line)
        // It is kept in memory at least.
        await file.append(line).catch(failed)
      })
      tryLater()
    },
    get waiting() {
      return kept.length
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(timer)
      await flushing
    },
  }

  /** Tells what was kept, as far as that is possible now. */
  async function flush(): Promise<void> {
    while (await exclusively(tellSome));
  }

  /** New messages wait for a few old ones at most. @returns whether more can be told */
  async function tellSome(): Promise<boolean> {
    let count = 0
    for (const line of kept.slice(0, STEP)) {
      if (isClosed || !(await told(JSON.parse(line) as Message))) break
      count += 1
    }
    kept.splice(0, count)
    if (count > 0) await file.replace(kept)
    return count === STEP && kept.length > 0
  }
}

function isMessage(line: string): boolean {
  return parseJsonObject(line) !== undefined
}
