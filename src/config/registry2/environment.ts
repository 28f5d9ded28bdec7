import { parse } from 'yaml'

type Tree = Readonly<Record<string, unknown>>

const PREFIX = 'REGISTRY_'

/** What the image of registry:2 is configured with where nobody gives it a file, as far as it matters here. */
export const IMAGE_DEFAULTS: Tree = {
  storage: { filesystem: { rootdirectory: '/var/lib/registry' } },
  http: { addr: ':5000' },
}

/**
 * A configuration of registry:2 with the variables that override it ("Override specific configuration
 * options"): `REGISTRY_PROXY_REMOTEURL` is `proxy.remoteurl`, and values are YAML.
 *
 * @param lines `NAME=VALUE`, as `docker inspect` and env files have them. Other names count for nothing.
 */
export function withEnvironment(tree: Tree, lines: readonly string[]): Tree {
  const overrides = lines.flatMap((line) => {
    const [, name, value] = /^\s*(?:export\s+)?(REGISTRY_\w+)=(.*)$/.exec(line) ?? []
    return name === undefined ? [] : [{ path: pathOf(name), value: valueOf(value!) }]
  })
  // `REGISTRY_AUTH=htpasswd` names the section that the longer names fill.
  const inOrder = overrides.toSorted((one, other) => one.path.length - other.path.length)
  return inOrder.reduce((all, { path, value }) => withValue(all, path, value), tree)
}

function pathOf(variable: string): readonly string[] {
  return variable.slice(PREFIX.length).toLowerCase().split('_')
}

/** Env files quote what `docker inspect` does not. */
function valueOf(text: string): unknown {
  const inner = /^(['"])(.*)\1$/.exec(text)?.[2] ?? text
  try {
    return parse(inner) as unknown
  } catch {
    // What is no YAML is a string, such as a password.
    return inner
  }
}

function withValue(tree: Tree, [key, ...rest]: readonly string[], value: unknown): Tree {
  if (rest.length === 0) return { ...tree, [key!]: value }
  const inner = tree[key!]
  const section = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? (inner as Tree) : {}
  return { ...tree, [key!]: withValue(section, rest, value) }
}
