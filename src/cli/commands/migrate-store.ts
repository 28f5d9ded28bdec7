import { openStore, SILENT } from '../../compose/store/open-store.ts'
import { openS3 } from '../../compose/store/s3.ts'
import type { Config } from '../../config/load-config.ts'
import { isInUse } from '../../storage/lock.ts'
import type { FilesystemStore } from '../../storage/filesystem-store.ts'
import type { OffloadStep } from '../../storage/operations/offload.ts'
import { countText, sizeText } from '../../util/human.ts'
import { type Invocation, UsageError } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'
import { progress } from '../output/progress.ts'

/**
 * Uploads what a store has to `storage.s3`, and tells `storage.index` what it knows. Everything is hashed on its
 * way. It may be repeated: what is there is passed over. The store stays as it is, as the tier.
 *
 * @param now epoch milliseconds
 */
export async function migrateStore(
  { args, options, env, stdout, stderr, config: read }: Invocation,
  now: () => number,
): Promise<ExitCode> {
  if (args.length > 1 || options['to'] !== 's3') throw new UsageError('migrate store needs --to s3')
  const config = await read({ usesSecrets: true })
  const { s3, index } = config.storage
  if (s3 === undefined) throw new UsageError('migrate store needs storage.s3 in the configuration')
  await using resources = new AsyncDisposableStack()
  const store = await openClosed(config)
  resources.defer(() => store.close())
  const problems: string[] = []
  const log = {
    info() {},
    warn() {},
    error: ({ error, detail }: { error?: string; detail?: object }) =>
      problems.push(`${error} ${JSON.stringify(detail)}`),
  }
  const { blobs } = resources.use(await openS3(s3, { log, telemetry: { answered() {} }, env }))
  if (problems.length > 0) throw new Error(`storage.s3 cannot be used: ${problems[0]}`)
  const damaged: string[] = []
  const shown = progress(stderr, now)
  let last: OffloadStep | undefined
  for await (const step of store.offload.content(blobs)) {
    last = step
    damaged.push(...step.damaged)
    shown.update({ ...step, bad: [], isDone: false })
  }
  shown.end()
  let told = 0
  if (index !== undefined) {
    const { openSharedIndex } = await import('../../compose/store/shared-index.ts')
    const shared = resources.use(openSharedIndex(index, now))
    told = await shared.tell({ ...store.offload, past: store.tags.past })
  }
  const { checked, uploaded } = last ?? { checked: NOTHING, uploaded: NOTHING }
  if (options['json']) writeJson(stdout, { checked, uploaded, damaged, told })
  else {
    stdout.write(
      `uploaded ${countText(uploaded.objects, 'object')}, ${sizeText(uploaded.bytes)}, of ${countText(checked.objects, 'object')}, ` +
        `${sizeText(checked.bytes)}${told === 0 ? '' : `; told the index ${told} links and tags`}\n`,
    )
  }
  for (const digest of damaged) stderr.write(`${digest} is damaged here, and was not uploaded\n`)
  return damaged.length === 0 ? EXIT.done : EXIT.failed
}

const NOTHING = { objects: 0, bytes: 0 }

async function openClosed(config: Config): Promise<FilesystemStore> {
  const here = { ...config, storage: { ...config.storage, lockTimeout: 0 } }
  return openStore(here, SILENT).catch((error: unknown) => {
    if (!isInUse(error)) throw error
    throw new Error(`${error.holder} has the store open: stop it first`, { cause: error })
  })
}
