import { parse } from 'yaml'
import { checkUpstreams } from '../../compose/upstreams/check-upstreams.ts'
import { describeConfig } from '../../config/describe.ts'
import type { Config } from '../../config/load-config.ts'
import { type Command, type Invocation, UsageError } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { writeJson } from '../output/json.ts'

export interface ConfigFile {
  /** Its path; undefined when there is none, and the defaults hold. */
  readonly file: string | undefined
  /** What is no mistake in it and does nothing, a line each. */
  readonly warnings: readonly string[]
  /** Reads the configuration again. @throws ConfigError */
  load(warn: (line: string) => void): Promise<Config>
}

/** `start` starts the proxy, which runs on when the promise is fulfilled. */
export function serve(start: (config: Config, from: ConfigFile) => Promise<void>): Command {
  return {
    synopsis: '[--check [--upstreams]] [--json]',
    summary:
      'runs the proxy; --check validates the configuration and prints it, --upstreams asks each upstream',
    takes: [0, 0],
    usesSecrets: true,
    options: {
      check: {
        type: 'boolean',
        says: 'validates the configuration and prints the effective one, secrets masked',
      },
      upstreams: {
        type: 'boolean',
        says: 'with --check: asks each upstream whether it answers and takes the credentials',
      },
      json: { type: 'boolean', says: 'JSON instead of text, also of the log (log.format: json)' },
    },
    async run(invocation) {
      const { check, upstreams, json } = invocation.options
      if (upstreams && !check) throw new UsageError('--upstreams goes with --check')
      const warnings: string[] = []
      const mustHaveContent = invocation.file !== undefined
      const config = await invocation.config({ warn: (line) => warnings.push(line) })
      if (check) for (const line of warnings) invocation.stderr.write(`${line}\n`)
      if (upstreams) return askUpstreams(config, invocation)
      if (check && json) writeJson(invocation.stdout, parse(describeConfig(config)))
      else if (check) invocation.stdout.write(describeConfig(config))
      else
        await start(logged(config), {
          file: invocation.file,
          warnings,
          load: async (warn) => logged(await invocation.config({ warn, mustHaveContent })),
        })
      return EXIT.done

      function logged(config: Config): Config {
        return json ? { ...config, log: { ...config.log, format: 'json' } } : config
      }
    },
  }
}

/** One line an upstream. */
async function askUpstreams(config: Config, { options, env, stdout }: Invocation): Promise<ExitCode> {
  const checks = await checkUpstreams(config, env)
  if (options['json']) writeJson(stdout, checks)
  else
    for (const { name, said, advice } of checks)
      stdout.write(`${name} ${said}${advice === undefined ? '' : `; ${advice}`}\n`)
  return checks.every(({ isUsable }) => isUsable) ? EXIT.done : EXIT.failed
}
