import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import { webhookSecret } from '../config/webhook-secret.ts'
import type { WebhookTelemetry } from '../ports/insight/events.ts'
import { proxiesFrom } from '../upstream/net/proxy-environment.ts'
import { systemTrust } from '../upstream/net/trust-store.ts'
import { version } from '../util/version.ts'
import { httpPost } from '../webhooks/http-post.ts'
import { Webhook } from '../webhooks/webhook.ts'
import { type WebhookPlan, type Webhooks, webhooks } from '../webhooks/webhooks.ts'
import { reloadOnChange } from './reload-on-change.ts'

export interface WebhooksOptions {
  readonly log: Logger
  readonly telemetry: WebhookTelemetry
  readonly env: NodeJS.ProcessEnv
  readonly ownPorts: () => Iterable<number>
  /** Which replica tells it, where there are several. */
  readonly replica: string | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
}

export interface RunningWebhooks extends Omit<Webhooks, 'configure'> {
  configure(config: Pick<Config, 'events'>): void
}

type Target = Config['events'][number]

/** Opens the configured webhooks. */
export function buildWebhooks(
  config: Pick<Config, 'events'>,
  { log, telemetry, env, ownPorts, replica, now }: WebhooksOptions,
): RunningWebhooks {
  const proxyFor = proxiesFrom(env)
  const trust = systemTrust({
    env,
    failed: (err) => log.warn({ err }, 'reload failed, keeping the previous version'),
  })

  function open(target: Target, key: string, name: string): Webhook {
    const { url, allowPrivate, types, secretFile } = target
    let { secret } = target
    const following =
      secretFile && reloadOnChange([secretFile], ([text]) => (secret = webhookSecret(text!)), log)
    const { post, close } = httpPost({
      url: new URL(url),
      allowPrivate,
      ownPorts,
      trust,
      proxyFor,
      userAgent: `entrepot/${version()}`,
    })
    return new Webhook({
      name,
      key,
      types,
      secret: () => secret,
      post,
      async close() {
        following?.[Symbol.dispose]()
        await close()
      },
      telemetry,
      changed(trouble) {
        if (trouble === undefined) log.warn({ webhook: name }, 'webhook works again')
        else log.warn({ webhook: name, ...trouble }, 'webhook fails')
      },
      now,
    })
  }

  const plansOf = ({ events }: Pick<Config, 'events'>): readonly WebhookPlan[] =>
    events.map((target, i) => {
      const key = `events[${i}]`
      const { secret, secretFile, ...rest } = target
      // A path may tell a secret.
      const name = `${key} ${new URL(target.url).host}`
      return {
        identity: JSON.stringify([name, rest, secretFile?.path ?? secret]),
        open: () => open(target, key, name),
      }
    })
  const running = webhooks(plansOf(config), replica)
  return { ...running, configure: (next) => running.configure(plansOf(next)) }
}
