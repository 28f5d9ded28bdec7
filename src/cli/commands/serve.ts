import { checkUpstreams } from '../../compose/upstreams/check-upstreams.ts'
import { describeConfig } from '../../config/describe.ts'
import type { Config } from '../../config/load-config.ts'
import { type Command, type Invocation, UsageError } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'

export interface ConfigFile {
  /** Its path; undefined when there is none, and the defaults hold. */
  readonly file: string | undefined
  /** Reads the configuration again. @throws ConfigError */
  load(): Promise<Config>
}

/** `start` starts the proxy, which runs on when the promise is fulfilled. */
export function serve(start: (config: Config, from: ConfigFile) => Promise<void>): Command {
  return {
    synopsis: '[--check [--upstreams]]',
    summary:
      'runs the proxy; --check validates the configuration and prints it, --upstreams asks each upstream',
    takes: [0, 0],
    usesSecrets: true,
    options: { check: { type: 'boolean' }, upstreams: { type: 'boolean' } },
    async run(invocation) {
      const { check, upstreams } = invocation.options
      if (upstreams && !check) throw new UsageError('--upstreams goes with --check')
      const config = await invocation.config()
      if (upstreams) return askUpstreams(config, invocation)
      if (check) invocation.stdout.write(describeConfig(config))
      else await start(config, { file: invocation.file, load: () => invocation.config() })
      return EXIT.done
    },
  }
}

/** One line an upstream. */
async function askUpstreams(config: Config, { env, stdout }: Invocation): Promise<ExitCode> {
  const checks = await checkUpstreams(config, env)
  for (const { name, said, advice } of checks)
    stdout.write(`${name} ${said}${advice === undefined ? '' : `; ${advice}`}\n`)
  return checks.every(({ isUsable }) => isUsable) ? EXIT.done : EXIT.failed
}
