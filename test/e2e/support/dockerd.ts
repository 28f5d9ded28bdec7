import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { containerd } from './containerd.ts'
import { flags, type Outcome, type Program, run, start, succeed } from './processes.ts'

export interface Dockerd extends AsyncDisposable {
  readonly program: Program
  /** Runs `docker`, which has to succeed. @returns what it printed */
  docker(...args: readonly string[]): Promise<string>
  /** Runs `docker`. */
  tryDocker(...args: readonly string[]): Promise<Outcome>
}

/** A Docker daemon of its own, with this daemon.json and all it keeps in `folder`. `certificates` is what it sees as its certs.d. */
export async function dockerd(
  folder: string,
  daemonJson: string,
  certificates = join(folder, 'certs.d'),
): Promise<Dockerd> {
  await using starting = new AsyncDisposableStack()
  // Otherwise it would take the machine's own, where there is one.
  const below = starting.use(await containerd(folder, {}, ['unshare', '--mount']))
  const socket = `unix://${join(folder, 'docker.sock')}`
  const config = join(folder, 'daemon.json')
  await writeFile(config, daemonJson)
  await mkdir(certificates, { recursive: true })
  await mkdir('/etc/docker/certs.d', { recursive: true })
  // It mounts its data-root on itself, which would outlast it when it is killed, and the host's network namespace where the
  // runtime below has to find it.
  const command = [
    `--target=${below.pid}`,
    '--mount',
    ...['sh', '-c', 'mount --bind "$0" /etc/docker/certs.d && exec "$@"', certificates],
    'dockerd',
    ...flags({
      debug: true,
      'config-file': config,
      host: socket,
      containerd: below.socket,
      'data-root': join(folder, 'docker'),
      'exec-root': join(folder, 'exec'),
      pidfile: join(folder, 'docker.pid'),
      'storage-driver': 'vfs',
      bridge: 'none',
      iptables: false,
      ip6tables: false,
    }),
  ]
  const program = starting.use(start('nsenter', command))
  await program.line((line) => (line.includes('API listen on') ? true : undefined))
  const env = { DOCKER_CONFIG: folder, DOCKER_HOST: socket }
  const running = starting.move()
  return {
    program,
    docker: (...args) => succeed('docker', args, env),
    tryDocker: (...args) => run('docker', args, env),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
