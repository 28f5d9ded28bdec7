import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'

export interface ComposeRun {
  /** For `docker run`: what compose.yaml says of the container, but for its image, its network and its volumes' names. */
  readonly flags: readonly string[]
  /** Seconds for `docker stop`. */
  readonly grace: number
}

type Service = Readonly<Record<string, unknown>>

/** Keys about where the image comes from, and about the network, which a daemon without a bridge does not have. */
const NOT_FOR_RUN = new Set(['image', 'build', 'ports', 'stop_grace_period'])

const FLAGS: Readonly<Record<string, (value: never) => readonly string[]>> = {
  restart: (policy: string) => [`--restart=${policy}`],
  read_only: (isReadOnly: boolean) => [`--read-only=${isReadOnly}`],
  cap_drop: (names: readonly string[]) => names.map((name) => `--cap-drop=${name}`),
  security_opt: (options: readonly string[]) => options.map((option) => `--security-opt=${option}`),
  volumes: (volumes: readonly string[]) => volumes.map((volume) => `--volume=${volume}`),
  logging: ({ options }: { options: Record<string, string> }) =>
    Object.entries(options).map(([name, value]) => `--log-opt=${name}=${value}`),
}

/** The service of the compose.yaml at `file`, for a machine without compose. @throws Error on a key that it does not know */
export async function composeRun(file: URL): Promise<ComposeRun> {
  const { services } = parse(await readFile(file, 'utf8')) as { services: Record<string, Service> }
  const [service] = Object.values(services) as [Service]
  const flags = Object.entries(service)
    .filter(([key]) => !NOT_FOR_RUN.has(key))
    .flatMap(([key, value]) => {
      const toFlags = FLAGS[key]
      if (toFlags === undefined) throw new Error(`${file}: no flag is known for ${key}`)
      return toFlags(value as never)
    })
  const [, seconds] = /^(\d+)s$/.exec(String(service['stop_grace_period']))!
  return { flags, grace: Number(seconds) }
}
