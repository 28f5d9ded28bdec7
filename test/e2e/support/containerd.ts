import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { flags, type Outcome } from './processes.ts'
import { type System, THIS_MACHINE } from './system.ts'

export interface Containerd extends AsyncDisposable {
  readonly socket: string
  readonly pid: number
  /** The folder of `<registry>/hosts.toml`. */
  readonly hosts: string
  /** Runs `ctr`, which has to succeed. @returns what it printed */
  ctr(...args: readonly string[]): Promise<string>
  /** Digests of what it holds. */
  stored(): Promise<readonly string[]>
  /** Runs `ctr`. */
  tryCtr(...args: readonly string[]): Promise<Outcome>
}

export interface ContainerdOptions {
  /** The content of hosts.toml, by the registry that it is for. */
  readonly hosts?: Readonly<Record<string, string>>
  readonly system?: System
  /** A command with arguments that executes it. */
  readonly launcher?: readonly string[]
}

/** A containerd of its own, with all it keeps in `folder`. */
export async function containerd(
  folder: string,
  { hosts = {}, system = THIS_MACHINE, launcher = [] }: ContainerdOptions = {},
): Promise<Containerd> {
  const socket = join(folder, 'containerd.sock')
  const hostsFolder = join(folder, 'certs.d')
  await mkdir(hostsFolder, { recursive: true })
  for (const [registry, toml] of Object.entries(hosts)) {
    await mkdir(join(hostsFolder, registry))
    await writeFile(join(hostsFolder, registry, 'hosts.toml'), toml)
  }
  const config = join(folder, 'containerd.toml')
  await writeFile(
    config,
    `version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[plugins."io.containerd.internal.v1.opt"]
path = ${JSON.stringify(join(folder, 'opt'))}
`,
  )
  const options = flags({
    config,
    address: socket,
    root: join(folder, 'containerd-root'),
    state: join(folder, 'containerd-state'),
  })
  await using starting = new AsyncDisposableStack()
  const [command, ...args] = [...launcher, 'containerd', ...options] as [string, ...string[]]
  const program = starting.use(system.start(command, args))
  await program.line((line) => (line.includes('containerd successfully booted') ? true : undefined))
  const running = starting.move()
  const ctr = (...args: readonly string[]) => system.succeed('ctr', ['--address', socket, ...args])
  return {
    socket,
    pid: program.pid,
    hosts: hostsFolder,
    ctr,
    stored: async () => (await ctr('content', 'ls', '--quiet')).split('\n').filter(Boolean),
    tryCtr: (...args) => system.run('ctr', ['--address', socket, ...args]),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
