import { join } from 'node:path'
import type { ClientSetup } from '../../clients/client-setup.ts'
import { type ClientVersion, parseClientVersion } from '../../clients/client-version.ts'
import { CLIENTS } from '../../clients/setups.ts'
import { type PlannedFile, planFiles, writePlanned } from '../../clients/write-files.ts'
import { nearest } from '../../config/nearest.ts'
import { CACHE_OPTIONS, cacheForClients } from '../client/cache-for-clients.ts'
import { detectVersion } from '../client/detect-version.ts'
import { type Command, type Invocation, UsageError } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'

const NAMES = Object.keys(CLIENTS).join('|')

/** `now`: epoch milliseconds. */
export function setup(now: () => number): Command {
  return {
    synopsis: `${NAMES} [--write] [--registry URL]`,
    summary: "prints a client's mirror configuration, or writes it",
    takes: [1, 1],
    options: {
      ...CACHE_OPTIONS,
      write: { type: 'boolean', says: 'writes the files; what was there is kept beside them' },
      root: { type: 'string', value: 'DIR', says: 'the folder that stands for /' },
      'client-version': {
        type: 'string',
        value: 'V',
        says: 'the version of the client, such as 29.0; omitted: it is asked',
      },
    },
    async run(invocation) {
      const { args, options, stdout } = invocation
      const client = clientNamed(args[0]!)
      const root = options['root']?.toString() ?? '/'
      const version = await versionOf(client, invocation)
      const found = client.setup(await cacheForClients(invocation), version)
      const files = await planFiles(found.files, root)
      const backups = options['write']
        ? await writeAll(files, root, new Date(now()).toISOString().replaceAll(/[-:]|\.\d+/g, ''))
        : undefined
      if (options['json']) writeJson(stdout, toJson(files, found, backups))
      else
        stdout.write(backups === undefined ? printed(files, found) : written(files, found, { backups, root }))
      return EXIT.done
    },
  }
}

type Backups = ReadonlyMap<string, string | undefined>

async function writeAll(files: readonly PlannedFile[], root: string, stamp: string): Promise<Backups> {
  const backups = new Map<string, string | undefined>()
  for (const file of files) if (file.isChanged) backups.set(file.path, await writePlanned(file, root, stamp))
  return backups
}

function clientNamed(name: string): (typeof CLIENTS)[string] {
  const client = Object.hasOwn(CLIENTS, name) ? CLIENTS[name] : undefined
  if (client !== undefined) return client
  const meant = nearest(name, Object.keys(CLIENTS))
  const hint = meant === undefined ? '' : `, did you mean ${meant}?`
  throw new UsageError(`unknown client ${name}${hint} (one of ${NAMES.replaceAll('|', ', ')})`)
}

/** That of the option, else that of the program on this machine. */
async function versionOf(
  { versionFrom }: (typeof CLIENTS)[string],
  { options }: Invocation,
): Promise<ClientVersion | undefined> {
  const given = options['client-version']?.toString()
  if (given !== undefined) {
    // `29` is what people call 29.0 and later.
    const version = parseClientVersion(/^v?\d+$/.test(given) ? `${given}.0` : given)
    if (version === undefined) throw new UsageError('--client-version must be a version such as 2.1')
    return version
  }
  return versionFrom === undefined || options['root'] !== undefined ? undefined : detectVersion(versionFrom)
}

function printed(files: readonly PlannedFile[], { commands, notes }: ClientSetup): string {
  const blocks = files.map(({ path, content }) => `# ${path}\n${content}`)
  const steps = commands.length === 0 ? [] : [`# then\n${commands.join('\n')}\n`]
  return [...blocks, ...steps, ...notes.map((note) => `# ${note}\n`)].join('\n')
}

function written(
  files: readonly PlannedFile[],
  { commands, notes }: ClientSetup,
  { backups, root }: { readonly backups: Backups; readonly root: string },
): string {
  const here = (path: string): string => join(root, path)
  const lines = files.map(({ path, isChanged }) => {
    if (!isChanged) return `unchanged: ${here(path)}`
    const backup = backups.get(path)
    return `wrote ${here(path)}${backup === undefined ? '' : ` (what it was: ${here(backup)})`}`
  })
  const steps = backups.size === 0 ? [] : commands.map((step) => `now run: ${step}`)
  return [...lines, ...steps, ...notes, ''].join('\n')
}

function toJson(
  files: readonly PlannedFile[],
  { commands, notes }: ClientSetup,
  backups: Backups | undefined,
): object {
  return {
    files: files.map(({ path, content, isChanged }) => ({
      path,
      content,
      changed: isChanged,
      written: backups?.has(path) ?? false,
      backup: backups?.get(path) ?? null,
    })),
    commands,
    notes,
  }
}
