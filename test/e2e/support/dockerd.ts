import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { containerd } from './containerd.ts'
import { flags, type Outcome, type Program, start } from './processes.ts'
import { type System, THIS_MACHINE } from './system.ts'

export interface Dockerd extends AsyncDisposable {
  readonly program: Program
  /** Runs `docker`, which has to succeed. @returns what it printed */
  docker(...args: readonly string[]): Promise<string>
  /** Digests of what it has in containerd. */
  stored(): Promise<readonly string[]>
  /** Runs `docker`. */
  tryDocker(...args: readonly string[]): Promise<Outcome>
}

export interface DockerdOptions {
  /** The folder that it sees as its certs.d. */
  readonly certificates?: string
  /** The file that it sees as /etc/hosts. */
  readonly hosts?: string
  readonly system?: System
  /** It keeps images in containerd, which is what new installations do from version 29 on. */
  readonly isContainerdStore?: boolean
}

/** A Docker daemon of its own, with this daemon.json and all it keeps in `folder`. */
export async function dockerd(
  folder: string,
  daemonJson: string,
  {
    certificates = join(folder, 'certs.d'),
    hosts = '/etc/hosts',
    system = THIS_MACHINE,
    isContainerdStore = false,
  }: DockerdOptions = {},
): Promise<Dockerd> {
  await using starting = new AsyncDisposableStack()
  // Otherwise it would take the machine's own, where there is one.
  const below = starting.use(await containerd(folder, { system, launcher: ['unshare', '--mount'] }))
  const socket = `unix://${join(folder, 'docker.sock')}`
  const config = join(folder, 'daemon.json')
  const features = isContainerdStore ? { features: { 'containerd-snapshotter': true } } : {}
  await writeFile(config, JSON.stringify({ ...JSON.parse(daemonJson), ...features }))
  await mkdir(certificates, { recursive: true })
  // It mounts its data-root on itself, which would outlast it when it is killed, and the host's network namespace where the
  // runtime below has to find it.
  const command = [
    `--target=${below.pid}`,
    '--mount',
    '--root',
    '--wd=/',
    ...['sh', '-c', MOUNT, certificates, hosts],
    'dockerd',
    ...flags({
      debug: true,
      'config-file': config,
      host: socket,
      containerd: below.socket,
      'data-root': join(folder, 'docker'),
      'exec-root': join(folder, 'exec'),
      pidfile: join(folder, 'docker.pid'),
      'storage-driver': isContainerdStore ? 'native' : 'vfs',
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
    docker: (...args) => system.succeed('docker', args, env),
    stored: async () =>
      (await below.ctr('--namespace', 'moby', 'content', 'ls', '--quiet')).split('\n').filter(Boolean),
    tryDocker: (...args) => system.run('docker', args, env),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

const MOUNT = `mkdir -p /etc/docker/certs.d && mount --bind "$0" /etc/docker/certs.d \\
  && if [ "$1" != /etc/hosts ]; then mount --bind "$1" /etc/hosts; fi && shift && exec "$@"`
