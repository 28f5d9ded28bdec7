import { readFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import { IMAGE_DEFAULTS, withEnvironment } from '../../config/registry2/environment.ts'
import { migrateRegistry2 } from '../../config/registry2/migrate.ts'
import { readRegistry2 } from '../client/read-registry2.ts'
import { type Command, UsageError } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'

export function migrate(): Command {
  return {
    synopsis: 'registry2 [config.yml] [--env FILE] [--json]',
    summary: 'prints the configuration that says the same as that of a registry:2 proxy',
    takes: [1, 2],
    options: { json: { type: 'boolean' }, env: { type: 'string' } },
    async run({ args: [kind, file], options, stdout }) {
      if (kind !== 'registry2') throw new UsageError(`cannot migrate from ${kind}, only from registry2`)
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
