import { describeConfig } from '../../config/describe.ts'
import type { Config } from '../../config/load-config.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'

/**
 * `start` starts the proxy, which runs on when the promise is fulfilled; `load` reads the configuration again.
 */
export function serve(start: (config: Config, load: () => Promise<Config>) => Promise<void>): Command {
  return {
    synopsis: '[--check]',
    summary: 'runs the proxy; --check validates the configuration and prints it instead',
    takes: [0, 0],
    options: { check: { type: 'boolean' } },
    async run(invocation) {
      const config = await invocation.config()
      if (invocation.options['check']) invocation.stdout.write(describeConfig(config))
      else await start(config, () => invocation.config())
      return EXIT.done
    },
  }
}
