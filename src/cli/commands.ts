import type { Config } from '../config/load-config.ts'
import type { OpenHere } from './client/with-push.ts'
import type { Command } from './command.ts'
import { adopt } from './commands/adopt.ts'
import { doctor } from './commands/doctor.ts'
import { drill } from './commands/drill.ts'
import { drift } from './commands/drift.ts'
import { du } from './commands/du.ts'
import { exportImages } from './commands/moving/export.ts'
import { history } from './commands/history.ts'
import { importArchive } from './commands/moving/import.ts'
import { jobs } from './commands/moving/jobs.ts'
import { ls } from './commands/ls.ts'
import { migrate } from './commands/migrate.ts'
import { mirror } from './commands/moving/mirror.ts'
import { pin, unpin } from './commands/pin.ts'
import { purge } from './commands/purge.ts'
import { push } from './commands/moving/push.ts'
import { run } from './commands/run.ts'
import { refresh } from './commands/moving/refresh.ts'
import { savings } from './commands/savings.ts'
import { setup } from './commands/setup.ts'
import { type ConfigFile, serve } from './commands/serve.ts'
import { trust } from './commands/trust.ts'
import { warm } from './commands/moving/warm.ts'
import { why } from './commands/why.ts'
import { status } from './commands/status.ts'
import { verify } from './commands/verify.ts'

export type Commands = Readonly<Record<string, Command>>

export interface Surroundings {
  /** Starts the proxy; it runs on when the promise is fulfilled. */
  start(config: Config, from: ConfigFile): Promise<void>
  /** Epoch milliseconds. */
  now(): number
  /** Opens the cache for a command that works without a process. */
  readonly openHere: OpenHere
}

/** Every command by its name, in the order in which the usage lists them. */
export function commands({ start, now, openHere }: Surroundings): Commands {
  return {
    serve: serve(start),
    status: status(now),
    why: why(now),
    history: history(now),
    drift: drift(now),
    run: run(now),
    drill: drill(),
    savings: savings(),
    warm: warm(() => performance.now()),
    mirror: mirror(now),
    refresh: refresh(),
    export: exportImages(() => performance.now()),
    import: importArchive(() => performance.now()),
    jobs: jobs(now),
    ls: ls(now),
    du: du(),
    purge: purge(),
    pin: pin(now),
    unpin: unpin(),
    trust: trust(now),
    verify: verify(now),
    push: push(openHere),
    setup: setup(now),
    doctor: doctor(),
    migrate: migrate(now),
    adopt: adopt(),
  }
}
