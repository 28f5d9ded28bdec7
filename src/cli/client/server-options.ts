import type { CommandOptions } from '../command.ts'

export const JSON_OPTION = { type: 'boolean', says: 'JSON instead of text' } as const

/** Which process is asked. */
export const SERVER_OPTIONS = {
  server: {
    type: 'string',
    value: 'URL',
    says: 'the admin listener to ask, instead of the one in the configuration (or ENTREPOT_SERVER=URL)',
  },
  token: { type: 'string', value: 'TOKEN', says: 'the admin token of that server (or ENTREPOT_TOKEN=TOKEN)' },
  ca: {
    type: 'string',
    value: 'FILE',
    says: "PEM authorities that sign the certificate of that server, instead of the system's",
  },
} as const satisfies CommandOptions
