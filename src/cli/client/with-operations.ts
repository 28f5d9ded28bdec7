import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { openStore, SILENT } from '../../compose/store/open-store.ts'
import type { SharedOperations } from '../../compose/store/shared-index.ts'
import type { Config } from '../../config/load-config.ts'
import { IMAGE_PATTERN_MUST, type ImagePattern, parseImagePattern } from '../../oci/image-pattern.ts'
import { isRegistryError } from '../../oci/errors.ts'
import { SHARED_INDEX } from '../../ports/cluster.ts'
import type { Operations } from '../../ports/operations.ts'
import type { FilesystemStore } from '../../storage/filesystem-store.ts'
import { isInUse } from '../../storage/lock.ts'
import { type Command, type CommandOptions, type Invocation, UsageError } from '../command.ts'
import type { ExitCode } from '../exit-code.ts'
import { adminOf } from './admin-of.ts'
import { remoteOperations } from './remote-operations.ts'
import { JSON_OPTION, SERVER_OPTIONS } from './server-options.ts'
import { serverGiven } from './server-given.ts'
import { type UpstreamNames, upstreamNames } from '../../oci/upstream-names.ts'

/** The options of every command that works on a store. */
export const STORE_OPTIONS = {
  json: JSON_OPTION,
  ...SERVER_OPTIONS,
} as const satisfies CommandOptions

/** The operations of one store, and how it reads the names of images. */
export interface StoreAccess extends Operations {
  /** @throws UsageError */
  patternOf(text: string): ImagePattern
}

/**
 * Runs `task` on the store of the server that `--server` names, or on the configured store: through the
 * process that has it open, or here when no process has.
 *
 * @throws Error when there is no store, or the process that has it open cannot be asked.
 */
export function withOperations(
  task: (store: StoreAccess, invocation: Invocation) => Promise<ExitCode>,
): Command['run'] {
  return async function run(invocation) {
    const server = serverGiven(invocation)
    if (server) return task({ ...remoteOperations(server), patternOf: asWritten }, invocation)
    const config = await invocation.config()
    await requireStore(config)
    // The process that has the store is asked instead.
    const here = { ...config, storage: { ...config.storage, lockTimeout: 0 } }
    const store = await openStore(here, SILENT).catch((error: unknown) => {
      if (!isInUse(error)) throw error
      return { holder: error.holder }
    })
    if ('holder' in store) {
      const remote = remoteOperations(adminOf(config, invocation, `${store.holder} has the store open, and`))
      const configured = Object.values(config.upstreams)
      const known = upstreamNames(configured)
      const upstreams = invocation.args.some((text) => isAmbiguous(text, known))
        ? upstreamNames([
            ...configured,
            ...(await remote.catalogue.usage()).upstreams.map(({ name }) => name),
          ])
        : known
      return task({ ...remote, patternOf: (text) => parse(text, upstreams) }, invocation)
    }
    try {
      await using shared = config.storage.index && (await sharedOf(invocation, store))
      // Images of an upstream that is no longer configured are found by its name too.
      const upstreams = upstreamNames([...Object.values(config.upstreams), ...(await store.upstreams())])
      const all = { ...store, ...shared, patternOf: (text: string) => parse(text, upstreams) }
      return await task(all, invocation).catch(explained)
    } finally {
      await store.close()
    }
  }
}

/** What holds on all replicas, where the store is of a cluster. */
async function sharedOf(
  { config: read }: Invocation,
  store: FilesystemStore,
): Promise<SharedOperations | undefined> {
  const { storage } = await read({ usesSecrets: true })
  const { openSharedOperations } = await import('../../compose/store/shared-index.ts')
  return storage.index && openSharedOperations(storage.index, storage.root, store, Date.now)
}

/** @throws Error that says it in words */
function explained(error: unknown): never {
  if (!isRegistryError(error, 'STORAGE') || error.detail['operation'] !== SHARED_INDEX) throw error
  const reason = `the database of the replicas does not answer (${error.detail['reason']})`
  throw new Error(`${reason}: nothing was changed for the others`, { cause: error })
}

/** A command does not make a store. @throws Error when there is none */
export async function requireStore({ storage }: Config): Promise<void> {
  if (!(await exists(join(storage.root, 'FORMAT')))) throw new Error(`there is no store in ${storage.root}`)
}

/** The process that has the store completes names: it knows which upstreams there are. */
function asWritten(text: string): ImagePattern {
  return { ...parse(text, upstreamNames([])), text }
}

/**
 * `org/app` is of Docker Hub, or of an upstream `org` that was removed from the configuration and has content
 * left.
 */
function isAmbiguous(text: string, upstreams: UpstreamNames): boolean {
  return text.includes('/') && parseImagePattern(text, upstreams)?.text.startsWith(text) === false
}

function parse(text: string, upstreams: UpstreamNames): ImagePattern {
  const pattern = parseImagePattern(text, upstreams)
  if (pattern === undefined) throw new UsageError(`${JSON.stringify(text)} ${IMAGE_PATTERN_MUST}`)
  return pattern
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
