import { stat } from 'node:fs/promises'
import { openStore, SILENT } from '../../compose/store/open-store.ts'
import type { Config } from '../../config/load-config.ts'
import { nearest } from '../../config/nearest.ts'
import { proxyOf, rootDirectoryOf } from '../../config/registry2/migrate.ts'
import { type AdoptedRepository, adoptRegistry2 } from '../../storage/adopt/adopt-registry2.ts'
import { registry2Layout } from '../../storage/adopt/registry2-layout.ts'
import { isInUse } from '../../storage/lock.ts'
import { readRegistry2 } from '../client/read-registry2.ts'
import { JSON_OPTION } from '../client/server-options.ts'
import { type Command, UsageError } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { countText, sizeText } from '../../util/human.ts'

export function adopt(): Command {
  return {
    synopsis: '<folder|config.yml> [--as UPSTREAM] [--copy] [--json]',
    summary: 'takes over what a registry:2 proxy has stored, into a store that no process has open',
    takes: [1, 1],
    options: {
      json: JSON_OPTION,
      as: {
        type: 'string',
        value: 'UPSTREAM',
        says: 'the upstream that it is of; omitted: the one with the url of its configuration',
      },
      copy: { type: 'boolean', says: 'copies the files; omitted: links them where the disk is the same' },
    },
    async run({ args, options, stdout, stderr, config: read }) {
      const config = await read()
      const { folder, upstream } = await sourceOf(args[0]!, options['as']?.toString(), config)
      const layout = registry2Layout(folder)
      const here = { ...config, storage: { ...config.storage, lockTimeout: 0 } }
      const store = await openStore(here, SILENT).catch((error: unknown) => {
        if (!isInUse(error)) throw error
        throw new Error(`${error.holder} has the store open: stop it first`, { cause: error })
      })
      const all: AdoptedRepository[] = []
      try {
        const copy = options['copy'] === true
        for await (const one of adoptRegistry2(layout, store, { upstream, copy })) {
          all.push(one)
          stdout.write(options['json'] ? `${JSON.stringify(one)}\n` : `${lineOf(upstream, one)}\n`)
          for (const digest of one.damaged)
            stderr.write(`${one.name}: ${digest} is damaged there, and will be downloaded again\n`)
        }
        const { bytes } = await store.inventory.usage()
        if (bytes > config.storage.maxSize) {
          const limit = sizeText(config.storage.maxSize)
          stderr.write(
            `the store has ${sizeText(bytes)} now, of ${limit}: raise storage.maxSize, or the rest is evicted\n`,
          )
        }
        if (!options['json']) stdout.write(`${summaryOf(all)}\n`)
        if (config.storage.s3 && takenOf(all) > 0) {
          stderr.write(
            'what was adopted is not uploaded to storage.s3 by itself: entrepot migrate store --to s3 uploads it, for replicas and later disks\n',
          )
        }
      } finally {
        await store.close()
      }
      return all.length > 0 ? EXIT.done : EXIT.failed
    },
  }
}

/** @throws UsageError when it is not known which upstream the content is of */
async function sourceOf(
  path: string,
  as: string | undefined,
  { upstreams }: Config,
): Promise<{ readonly folder: string; readonly upstream: string }> {
  const names = Object.keys(upstreams)
  if (as !== undefined && !names.includes(as)) {
    const meant = nearest(as, names)
    throw new UsageError(
      `--as must be one of the upstreams, ${names.join(', ')}${meant === undefined ? '' : `: did you mean ${meant}?`}`,
    )
  }
  if ((await stat(path)).isDirectory()) return { folder: path, upstream: as ?? 'docker.io' }
  const tree = await readRegistry2(path)
  const proxy = proxyOf(tree)
  const named = Object.values(upstreams).find(({ url }) => url === proxy?.url)?.name
  const upstream = as ?? named
  if (upstream !== undefined) return { folder: rootDirectoryOf(tree), upstream }
  throw new UsageError(
    `no upstream has the url ${proxy?.url ?? '(none)'} of ${path}: add it, or say --as UPSTREAM`,
  )
}

function lineOf(upstream: string, { name, tags, objects, bytes }: AdoptedRepository): string {
  const parts = Object.entries(objects).flatMap(([how, count]) => (count > 0 ? [`${count} ${how}`] : []))
  return `${upstream}/${name}: ${countText(tags, 'tag')}, ${sizeText(bytes)} (${parts.join(', ')})`
}

function takenOf(all: readonly AdoptedRepository[]): number {
  return all.reduce((total, { objects }) => total + objects.linked + objects.copied, 0)
}

function summaryOf(all: readonly AdoptedRepository[]): string {
  const sum = (of: (one: AdoptedRepository) => number) => all.reduce((total, one) => total + of(one), 0)
  const lost = sum(({ objects }) => objects.missing + objects.damaged)
  const rest = lost === 0 ? '' : `; ${countText(lost, 'object')} missing or damaged there`
  return `adopted ${countText(takenOf(all), 'object')} of ${all.length === 1 ? '1 repository' : `${all.length} repositories`}${rest}`
}
