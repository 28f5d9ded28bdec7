import type { Commands } from './commands.ts'

export function usageOf(commands: Commands): string {
  const lines = Object.entries(commands).map(
    ([name, { synopsis, summary }]) => [`entrepot ${name} ${synopsis}`, summary] as const,
  )
  const width = Math.max(...lines.map(([left]) => left.length))
  return `usage:
${lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('')}
  --version        the version of this program
  --config FILE    the configuration, instead of ./proxy.config.yaml (or ENTREPOT_CONFIG=FILE)
  --server URL     the admin listener to ask, instead of the one in the configuration (or ENTREPOT_SERVER=URL)
  --token TOKEN    the admin token of that server (or ENTREPOT_TOKEN=TOKEN)
  --ca FILE        PEM authorities that sign the certificate of that server, instead of the system's
  --json           JSON instead of text

Patterns name images as Docker does; * stops at a slash, ** does not:
  node, node:20*, 'ghcr.io/org/**', '*@sha256:…'
`
}
