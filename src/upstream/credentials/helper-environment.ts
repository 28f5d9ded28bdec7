/**
 * The variables that credential helpers of the field read: where programs, homes and agents are, the way out,
 * and the settings of the clouds and stores they ask.
 */
const NAMES = new Set(
  [
    'PATH HOME USER LOGNAME SHELL LANG TZ TMPDIR PWD DISPLAY WAYLAND_DISPLAY GNUPGHOME GPG_TTY',
    'SSH_AUTH_SOCK HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY',
  ].flatMap((names) => names.split(' ')),
)
const PREFIXES = new Set(
  [
    'LC XDG DBUS SSL AWS ECS GOOGLE GCE GCP CLOUDSDK AZURE MSI IDENTITY OCI VAULT OP PASSWORD DOCKER',
    'KUBERNETES',
  ].flatMap((names) => names.split(' ')),
)

/**
 * The part of this process's environment that a credential helper gets. Other variables may hold secrets of
 * other upstreams, such as the passwords that the configuration takes from the environment.
 */
export function helperEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => isPassed(name)))
}

function isPassed(variable: string): boolean {
  const name = variable.toUpperCase()
  return NAMES.has(name) || PREFIXES.has(name.split('_', 1)[0]!)
}
