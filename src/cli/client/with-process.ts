import type { Command, Invocation } from '../command.ts'
import type { ExitCode } from '../exit-code.ts'
import { type AdminClient, adminClient } from './admin-client.ts'
import { adminOf } from './admin-of.ts'
import { serverGiven } from './server-given.ts'

/**
 * Runs `task` with the admin API of the server that `--server` names, or of the process that the
 * configuration describes.
 *
 * @throws Error when nothing answers there
 */
export function withProcess(
  task: (process: AdminClient, invocation: Invocation) => Promise<ExitCode>,
): Command['run'] {
  return async function run(invocation) {
    const server = serverGiven(invocation)
    return task(
      adminClient(
        server ?? adminOf(await invocation.config(), invocation, 'the process cannot be asked, for'),
      ),
      invocation,
    )
  }
}
