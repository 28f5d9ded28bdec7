import type { Trouble } from '../ports/insight/insight.ts'

const URL_ADVICE = 'check storage.index.postgres, and that PostgreSQL runs'
const DNS_ADVICE = 'check the host in storage.index.postgres, and the resolver of this machine'
const LOGIN_ADVICE = 'correct storage.index.postgres, or the password in storage.index.passwordFile'
const RIGHTS = {
  said: 'does not let this user make or use its tables',
  advice: 'give the user of storage.index.postgres all rights on the database and its schema public',
}

const STOPPING = { said: 'is starting or stopping', advice: 'wait' }

/** By SQLSTATE, or the code of the system. */
const BY_REASON: Readonly<Record<string, Trouble>> = {
  ECONNREFUSED: { said: 'refuses connections: nothing listens at its address', advice: URL_ADVICE },
  ENOTFOUND: { said: 'has a name that is not in DNS', advice: DNS_ADVICE },
  EAI_AGAIN: { said: 'has a name that cannot be looked up: DNS does not answer', advice: DNS_ADVICE },
  ETIMEDOUT: { said: 'does not answer in time', advice: 'check the route and the firewall, and its load' },
  'no password': { said: 'wants a password, and there is none', advice: 'set storage.index.passwordFile' },
  'no TLS': {
    said: 'does not speak TLS',
    advice: 'turn TLS on in PostgreSQL; without it, remove sslmode only on a network of your own',
  },
  '28P01': { said: 'refuses the password', advice: LOGIN_ADVICE },
  '28000': { said: 'refuses the user', advice: LOGIN_ADVICE },
  '3D000': {
    said: 'does not have that database',
    advice: 'make it, or correct its name in storage.index.postgres',
  },
  '42501': RIGHTS,
  '25006': {
    said: 'is a standby: it may be read only',
    advice: 'give storage.index.postgres the address that always leads to the primary',
  },
  '53300': {
    said: 'has no connection left',
    advice: 'raise its max_connections, a replica takes up to nine; or put a pooler in between',
  },
  '57P01': STOPPING,
  '57P03': STOPPING,
}

/** Why the database does not answer. @param reason as in the detail of an error */
export function databaseTrouble(reason: string): Trouble {
  return BY_REASON[reason] ?? { said: `fails (${reason})`, advice: `${URL_ADVICE}; its log may say more` }
}
