type Environment = Readonly<Record<string, string | undefined>>

/** Milliseconds. */
const EVERY = 500

/**
 * Calls `gone` when npm, which started this process by `npm start` or `npx entrepot`, has ended without
 * passing its signal on: it was killed, or the shell in between was. Other parents may leave, as a script
 * does that starts a service in the background.
 */
export function watchNpm(
  env: Environment,
  process: { readonly ppid: number },
  gone: (parent: number) => void,
): void {
  if (!isRunByNpm(env)) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    gone(parent)
  }, EVERY).unref()
}

function isRunByNpm(env: Environment): boolean {
  const { npm_lifecycle_event: event, npm_package_name: name } = env
  return event === 'npx' || (event === 'start' && name === 'entrepot')
}
