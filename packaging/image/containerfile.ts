import { readFileSync } from 'node:fs'

/** The `config` of an OCI image, with Docker's `Healthcheck`, which engines read there too. */
export interface ImageConfig {
  Env?: readonly string[]
  Labels?: Readonly<Record<string, string>>
  User?: string
  WorkingDir?: string
  Volumes?: Readonly<Record<string, object>>
  ExposedPorts?: Readonly<Record<string, object>>
  Healthcheck?: object
  Entrypoint?: readonly string[]
  Cmd?: readonly string[]
}

/** What engines set where a Containerfile does not: the image's PATH is part of its config. */
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const NANOSECONDS = { s: 1e9, m: 60e9 }

/**
 * Reads what the last stage of a Containerfile says about the image, given values for its ARGs. It knows the instructions and
 * the forms that ours uses; `test/e2e/image.e2e.ts` compares the outcome with that of buildah.
 * @throws Error on any other, so that nothing is left out silently
 */
export function readImageConfig(file: string, args: Readonly<Record<string, string>>): ImageConfig {
  const text = readFileSync(file, 'utf8').replaceAll(/\\\n/g, ' ')
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const lastStage = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')) + 1)
  const config: ImageConfig = {}
  for (const line of lastStage) {
    const [, instruction, rest] = /^([A-Z]+) +(.*)$/.exec(line) ?? []
    const apply = INSTRUCTIONS[instruction ?? '']
    if (apply === undefined) throw new Error(`${file}: cannot read ${line}`)
    const value = rest!.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
      const given = args[name]
      if (given === undefined) throw new Error(`${file}: no value for ${name}`)
      return given
    })
    Object.assign(config, apply(value))
  }
  return { ...config, Env: [DEFAULT_PATH, ...(config.Env ?? [])] }
}

/** COPY and ARG say nothing about the config: `rootfs.sh` makes the files, the caller gives the values. */
const INSTRUCTIONS: Readonly<Record<string, (value: string) => ImageConfig>> = {
  ARG: () => ({}),
  COPY: () => ({}),
  LABEL: (value) => ({ Labels: Object.fromEntries(assignments(value)) }),
  ENV: (value) => ({ Env: assignments(value).map(([name, text]) => `${name}=${text}`) }),
  USER: (value) => ({ User: value }),
  WORKDIR: (value) => ({ WorkingDir: value }),
  VOLUME: (value) => ({ Volumes: Object.fromEntries(list(value).map((path) => [path, {}])) }),
  EXPOSE: (value) => ({ ExposedPorts: { [`${value}/tcp`]: {} } }),
  HEALTHCHECK: healthcheck,
  ENTRYPOINT: (value) => ({ Entrypoint: list(value) }),
  CMD: (value) => ({ Cmd: list(value) }),
}

/** `a="b c" d=e` */
function assignments(value: string): (readonly [string, string])[] {
  return [...value.matchAll(/(\S+?)=(?:"([^"]*)"|(\S+))/g)].map(([, name, quoted, plain]) => [
    name!,
    quoted ?? plain!,
  ])
}

function list(json: string): readonly string[] {
  return JSON.parse(json) as string[]
}

function healthcheck(value: string): ImageConfig {
  const [, options, command] = /^(.*?) *CMD (.*)$/.exec(value)!
  const given = new Map([...options!.matchAll(/--([\w-]+)=(\S+)/g)].map(([, name, text]) => [name!, text!]))
  const duration = (name: string) => {
    const [, count, unit] = /^(\d+)([sm])$/.exec(given.get(name)!)!
    return Number(count) * NANOSECONDS[unit as 's' | 'm']
  }
  return {
    Healthcheck: {
      Test: ['CMD', ...list(command!)],
      Interval: duration('interval'),
      Timeout: duration('timeout'),
      StartPeriod: duration('start-period'),
      Retries: Number(given.get('retries')),
    },
  }
}
