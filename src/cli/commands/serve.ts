import { describeConfig } from '../../config/describe.ts'
import type { Config } from '../../config/load-config.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'

export interface ConfigFile {
  /** Its path; undefined when there is none, and the defaults hold. */
  readonly file: string | undefined
  /** Reads the configuration again. @throws ConfigError */
  load(): Promise<Config>
}

/** `start` starts the proxy, which runs on when the promise is fulfilled. */
export function serve(start: (config: Config, from: ConfigFile) => Promise<void>): Command {
  return {
    synopsis: '[--check]',
    summary: 'runs the proxy; --check validates the configuration and prints it instead',
    takes: [0, 0],
    options: { check: { type: 'boolean' } },
    async run(invocation) {
      const config = await invocation.config()
      if (invocation.options['check']) invocation.stdout.write(describeConfig(config))
      else await start(config, { file: invocation.file, load: () => invocation.config() })
      return EXIT.done
    },
  }
}
