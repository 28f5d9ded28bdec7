import { stringify } from 'yaml'
import { migrateRegistry2 } from '../../config/registry2/migrate.ts'
import { readRegistry2 } from '../client/read-registry2.ts'
import { type Command, UsageError } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'

export function migrate(): Command {
  return {
    synopsis: 'registry2 <config.yml> [--json]',
    summary: 'prints the configuration that says the same as that of a registry:2 proxy',
    takes: [2, 2],
    options: { json: { type: 'boolean' } },
    async run({ args: [kind, file], options, stdout }) {
      if (kind !== 'registry2') throw new UsageError(`cannot migrate from ${kind}, only from registry2`)
      const migration = migrateRegistry2(await readRegistry2(file!))
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
