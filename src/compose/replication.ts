import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import { parseDestination } from '../config/upstreams/destination.ts'
import { type ImagePattern, parseImagePattern } from '../oci/image-pattern.ts'
import type { SharedJobs } from '../ports/cluster.ts'
import type { Jobs } from '../ports/moving/jobs.ts'
import type { Push, PushRequest } from '../ports/moving/push.ts'
import type { EventHub } from '../observe/events.ts'
import { cron } from './cron.ts'
import { Replicator, type ReplicationRule } from '../upload/replicate/replicator.ts'
import { type UpstreamNames, upstreamNames } from '../oci/upstream-names.ts'

export interface Replication extends AsyncDisposable {
  /** Keeps to other rules. Those that are the same go on. */
  configure(config: ReplicationConfig): void
  /** What a cool-down holds back may be served by now. */
  released(): void
}

export interface ReplicationOptions {
  readonly push: Push
  readonly jobs: Pick<Jobs, 'run'>
  readonly events: Pick<EventHub, 'subscribe'>
  /** The other replicas, where there are any. */
  readonly shared: SharedJobs | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: Logger
}

type ReplicationConfig = Pick<Config, 'replicate' | 'upstreams'>
type Rule = Config['replicate'][number]

interface Running {
  /** What makes it another rule: as it is written, and what its patterns mean. */
  readonly same: unknown
  readonly replicator: Replicator
}

/** Runs the configured rules. */
export function buildReplication(initial: ReplicationConfig, options: ReplicationOptions): Replication {
  const { push, jobs, events, shared, now, log } = options
  let running: readonly Running[] = []
  const ending = new Set<Promise<void>>()
  const failed = (rule: string, problem: unknown) =>
    log.warn({ rule, ...saidOf(problem) }, 'replication fails')

  const configure = ({ replicate, upstreams }: ReplicationConfig): void => {
    const before = [...running]
    const names = upstreamNames(Object.values(upstreams))
    running = replicate.map((written, i) => {
      const rule = ruleOf(written, i, names)
      // Aliases may mean another upstream by now.
      const same = [written, rule.images.map(({ text }) => text)]
      const known = before.findIndex((one) => isDeepStrictEqual(one.same, same))
      const [kept] = known < 0 ? [] : before.splice(known, 1)
      const open = () =>
        new Replicator(rule, { schedule: cron, push, jobs, failed, now, ...(shared && { shared }) })
      return kept ?? { same, replicator: open() }
    })
    for (const { replicator } of before) {
      const end = replicator[Symbol.asyncDispose]().finally(() => ending.delete(end))
      ending.add(end)
    }
  }
  configure(initial)
  const listening = events.subscribe((event) => {
    if (event.type !== 'image.stored' && event.type !== 'tag.moved') return
    const digest = event.type === 'image.stored' ? event.digest : event.to
    for (const { replicator } of running) replicator.stored(event.image, digest)
  })

  return {
    configure,
    released() {
      for (const { replicator } of running) replicator.released()
    },
    async [Symbol.asyncDispose]() {
      listening[Symbol.dispose]()
      await Promise.all([...running.map(({ replicator }) => replicator[Symbol.asyncDispose]()), ...ending])
    },
  }
}

function ruleOf(rule: Rule, i: number, upstreams: UpstreamNames): ReplicationRule {
  const { url, path } = parseDestination(rule.to)!
  return {
    name: `replicate[${i}] to ${new URL(url).host}${path === '' ? '' : `/${path}`}`,
    images: rule.images.map((text): ImagePattern => parseImagePattern(text, upstreams)!),
    schedule: rule.schedule,
    request: () => requestOf(rule),
  }
}

async function requestOf(rule: Rule): Promise<Omit<PushRequest, 'images' | 'dryRun'>> {
  const { login, ca, platforms = [], referrers, withUpstream, rate } = rule
  const { url, path, tokenRealms } = parseDestination(rule.to)!
  return {
    to: {
      url,
      path,
      ...(login && { credentials: { username: login.username, password: await passwordOf(login) } }),
      tokenRealms: rule.tokenRealms ?? tokenRealms,
      ...(ca && { ca: ca.text }),
    },
    platforms,
    referrers,
    withUpstream,
    rate,
  }
}

async function passwordOf({ password, passwordFile }: NonNullable<Rule['login']>): Promise<string> {
  if (passwordFile === undefined) return password
  const text = (await readFile(passwordFile, 'utf8')).trim()
  if (text === '') throw new Error('the password file is empty')
  return text
}

function saidOf(problem: unknown): object {
  return problem instanceof Error ? { err: problem } : { said: problem }
}
