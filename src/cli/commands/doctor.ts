import { diagnose, type Diagnosis } from '../../clients/doctor/diagnose.ts'
import { machineAt } from '../../clients/doctor/machine.ts'
import { detectVersion } from '../client/detect-version.ts'
import { probeMirror } from '../client/probe-mirror.ts'
import { JSON_OPTION } from '../client/server-options.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'

export function doctor(): Command {
  return {
    synopsis: '[image…] [--json]',
    summary: 'finds what the clients of this machine would pull past the cache, and says the fix',
    takes: [0, Infinity],
    options: {
      json: JSON_OPTION,
      root: {
        type: 'string',
        value: 'DIR',
        says: 'the folder that stands for /, such as that of a mounted image',
      },
    },
    async run({ args: images, options, stdout }) {
      const root = options['root']?.toString()
      const versionOf = async (program: string) =>
        root === undefined ? detectVersion([program, '--version']) : undefined
      const diagnosis = await diagnose(machineAt(root ?? '/', versionOf), { probe: probeMirror, images })
      if (options['json']) writeJson(stdout, diagnosis)
      else stdout.write(textOf(diagnosis))
      return diagnosis.clients.length > 0 && diagnosis.findings.length === 0 ? EXIT.done : EXIT.failed
    },
  }
}

function textOf({ clients, mirrors, findings, unread }: Diagnosis): string {
  const left = unread.length === 0 ? '' : `not read, run it as root for them: ${unread.join(', ')}\n`
  if (clients.length === 0)
    return `found no Docker, containerd, k3s, podman, CRI-O or BuildKit on this machine\n${left}`
  const checked = `${left}checked ${clients.join(', ')}`
  if (findings.length === 0) return `${checked}: all pull through ${mirrors.join(', ')}\n`
  const lines = findings.map(
    ({ client, where, problem, fix }) => `${client}: ${where} ${problem}\n  fix: ${fix}\n`,
  )
  return `${lines.join('')}${checked}: ${findings.length === 1 ? '1 finding' : `${findings.length} findings`}\n`
}
