import { readFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import { IMAGE_DEFAULTS, withEnvironment } from '../../config/registry2/environment.ts'
import { migrateRegistry2 } from '../../config/registry2/migrate.ts'
import { readRegistry2 } from '../client/read-registry2.ts'
import { migrateStore } from './migrate-store.ts'
import { JSON_OPTION } from '../client/server-options.ts'
import { type Command, UsageError } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'

/** `now`: milliseconds. */
export function migrate(now: () => number): Command {
  return {
    synopsis: 'registry2 [config.yml] [--env FILE] | store --to s3 [--json]',
    summary: 'prints the configuration of a registry:2 proxy as ours, or uploads a store to storage.s3',
    takes: [1, 2],
    options: {
      json: JSON_OPTION,
      env: { type: 'string', value: 'FILE', says: 'its environment, a NAME=value a line' },
      to: { type: 'string', value: 's3', says: 'the bucket of storage.s3, for a store' },
    },
    async run(invocation) {
      const { args, options, stdout } = invocation
      const [kind, file] = args
      if (kind === 'store') return migrateStore(invocation, now)
      if (kind !== 'registry2') throw new UsageError(`cannot migrate from ${kind}, only registry2 or store`)
      const env = options['env']?.toString()
      if (file === undefined && env === undefined)
        throw new UsageError('migrate registry2 needs a config.yml, or --env FILE')
      const tree = file === undefined ? IMAGE_DEFAULTS : await readRegistry2(file)
      const lines = env === undefined ? [] : (await readFile(env, 'utf8')).split('\n')
      const migration = migrateRegistry2(withEnvironment(tree, lines))
      if (options['json']) {
        writeJson(stdout, migration)
        return EXIT.done
      }
      const notes = migration.notes.map((note) => `# - ${note}\n`)
      const heading = notes.length === 0 ? '' : '# What is not in here:\n'
      stdout.write(`${stringify(migration.config)}${heading}${notes.join('')}`)
      return EXIT.done
    },
  }
}
