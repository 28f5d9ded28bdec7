/** Certificates of an authority of one's own, made with openssl(1). */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** PEM. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

export interface Authority {
  /** Its own certificate, in PEM. */
  readonly cert: string
  /** One for a server at 127.0.0.1, ::1 and localhost, and at hosts of these names. */
  server(...names: readonly string[]): Pair
  /** One for a client; `extra` are lines of an extension section. */
  client(subject: string, ...extra: readonly string[]): Pair
}

export function authority(name = 'Entrepot test'): Authority {
  const own = signed(`/CN=${name}`, ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign,cRLSign'])
  return {
    cert: own.cert,
    server(...names) {
      const all = ['IP:127.0.0.1', 'IP:::1', ...['localhost', ...names].map((name) => `DNS:${name}`)]
      return signed('/CN=localhost', [`subjectAltName=${all.join()}`, 'extendedKeyUsage=serverAuth'], own)
    },
    client: (subject, ...extra) => signed(subject, ['extendedKeyUsage=clientAuth', ...extra], own),
  }
}

function signed(subject: string, extensions: readonly string[], by?: Pair): Pair {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-ca-'))
  const [key, cert, config, ca, caKey] = ['key', 'cert', 'config', 'ca', 'ca-key'].map((name) =>
    join(folder, name),
  )
  const text = [
    '[req]',
    'distinguished_name=dn',
    'utf8=yes',
    '[dn]',
    '[ext]',
    'subjectKeyIdentifier=hash',
    ...extensions,
  ]
  writeFileSync(config!, text.join('\n'))
  if (by) {
    writeFileSync(ca!, by.cert)
    writeFileSync(caKey!, by.key)
  }
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
  ]
  const signer = by ? ['-CA', ca!, '-CAkey', caKey!] : []
  try {
    execFileSync(
      'openssl',
      [
        ...args,
        '-subj',
        subject,
        '-config',
        config!,
        '-extensions',
        'ext',
        '-keyout',
        key!,
        '-out',
        cert!,
        ...signer,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    return { cert: readFileSync(cert!, 'utf8'), key: readFileSync(key!, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
