import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../../support/fixtures.ts'
import { freePort, type Program, start } from './processes.ts'
import { documentedBlock } from './readme.ts'

export interface NginxFront extends AsyncDisposable {
  readonly program: Program
  readonly url: string
  /** The file with the names of what it has sent, a line each. */
  readonly log: string
}

export interface NginxFrontOptions {
  /** Of the Entrepot behind it. */
  readonly authority: string
  /** Its `storage.root`. */
  readonly store: string
  readonly workers?: number
}

/** The location of `docs/nginx.md`. */
export const ACCEL = { prefix: '/entrepot-store/', proxies: ['127.0.0.1'] }

/** nginx in front of an Entrepot, by the snippet of `docs/nginx.md`. Works in `folder`, which it makes. */
export async function nginxFront(
  folder: string,
  { authority, store, workers = 1 }: NginxFrontOptions,
): Promise<NginxFront> {
  const listens = `127.0.0.1:${await freePort()}`
  const log = join(folder, 'log')
  const snippet = (await documentedBlock('docs/nginx.md', 'nginx'))
    .replaceAll('127.0.0.1:5000', authority)
    .replace('/var/lib/entrepot/', `${store}/`)
  await mkdir(folder, { recursive: true })
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; user root; worker_processes ${workers}; pid ${folder}/pid; error_log stderr; events {}
http {
  log_format file '$request_filename'; access_log ${log} file;
  proxy_temp_path ${folder}/p; client_body_temp_path ${folder}/b; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server { listen ${listens}; ${snippet} }
}`,
  )
  const url = `http://${listens}`
  await using starting = new AsyncDisposableStack()
  const program = starting.use(start('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')]))
  await eventually(async () => (await fetch(`${url}/v2/`).catch(() => undefined))?.ok === true, 20_000)
  const running = starting.move()
  return { program, url, log, [Symbol.asyncDispose]: () => running.disposeAsync() }
}
