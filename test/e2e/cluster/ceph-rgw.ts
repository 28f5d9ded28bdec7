import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { freePorts } from './free-ports.ts'

export const RGW = ['radosgw', 'ceph-mon', 'ceph-osd'] as const

export interface CephRgw extends AsyncDisposable {
  readonly endpoint: string
  /** Makes it fall silent, as behind a firewall that drops packets, and answer again. */
  freeze(): void
  thaw(): void
}

const SCRIPT = join(import.meta.dirname, 'rgw.sh')

/** A real S3 service, Ceph's, in `folder`: user `test`, with the secret `testsecret`. */
export async function cephRgw(folder: string): Promise<CephRgw> {
  const port = await freePorts(13)
  const stop = (): void => void execFileSync('bash', [SCRIPT, 'stop', folder], { stdio: 'ignore' })
  try {
    execFileSync('bash', [SCRIPT, 'start', folder, String(port)], { stdio: 'ignore', timeout: 90_000 })
  } catch (error) {
    stop()
    throw error
  }
  const signal = (name: NodeJS.Signals): void => {
    const pid = Number(execFileSync('cat', [join(folder, 'run', 'client.rgw.pid')], { encoding: 'utf8' }))
    process.kill(pid, name)
  }
  return {
    endpoint: `http://127.0.0.1:${port}`,
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async [Symbol.asyncDispose]() {
      signal('SIGCONT')
      stop()
    },
  }
}
