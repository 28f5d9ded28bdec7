import { ConfigIssue, type Issues } from '../issues.ts'
import { type Environment, withoutLastBreak } from './environment.ts'
import type { Setting } from './layered-source.ts'
import { nearest } from '../nearest.ts'
import type { SchemaKey } from '../schema/schema-keys.ts'
import { parseYaml } from './yaml.ts'

const PREFIX = 'ENTREPOT_'

/** Variables of the program itself. */
const OWN = new Set(['ENTREPOT_CONFIG', 'ENTREPOT_SERVER', 'ENTREPOT_TOKEN'])

/**
 * The settings in the environment, sections before the keys in them. A variable that is empty counts as not
 * set.
 *
 * @throws ConfigError for a value that is not YAML
 */
export function settingsIn(env: Environment, keys: readonly SchemaKey[]): readonly Setting[] {
  return keys.flatMap(({ path, isScalar }) => {
    const variable = variableOf(path)
    const text = withoutLastBreak(env[variable] ?? '')
    if (text === '' || isPlatformMade(variable, text)) return []
    return [{ variable, path, value: isScalar ? text : parseYaml(variable, text).tree }]
  })
}

/** Adds an issue for each variable that is meant for Entrepot and sets nothing. */
export function refuseUnknownVariables(env: Environment, keys: readonly SchemaKey[], issues: Issues): void {
  const known = new Map(keys.map((key) => [variableOf(key.path), key]))
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || text === undefined) continue
    if (known.has(variable) || OWN.has(variable) || isPlatformMade(variable, text)) continue
    const around = [...known].findLast(([name]) => variable.startsWith(`${name}_`))
    const isInside = around !== undefined && !around[1].isScalar && !hasKeys(around[1], keys)
    const suggestion = nearest(nameIn(variable), [...known.keys(), ...OWN].map(nameIn))
    const hint = isInside
      ? `, set it in ${around[0]}, as JSON or YAML`
      : suggestion === undefined
        ? ''
        : `, did you mean ${PREFIX}${suggestion}?`
    issues.add(new ConfigIssue([variable], `${variable} sets no key of the configuration${hint}`))
  }
}

/** Without the prefix, which all share. */
function nameIn(variable: string): string {
  return variable.slice(PREFIX.length)
}

function hasKeys({ path }: SchemaKey, keys: readonly SchemaKey[]): boolean {
  return keys.some((key) => key.path.length > path.length && path.every((name, i) => key.path[i] === name))
}

/** `ENTREPOT_STORAGE_MAXSIZE` for `storage.maxSize`. */
export function variableOf(path: readonly string[]): string {
  return PREFIX + path.join('_').toUpperCase()
}

/**
 * Kubernetes and Docker links set such variables for a service called entrepot, or `entrepot-admin`:
 * `ENTREPOT_SERVICE_HOST`, `ENTREPOT_PORT=tcp://10.0.0.1:5000`, `ENTREPOT_PORT_5000_TCP_ADDR`.
 */
function isPlatformMade(variable: string, text: string): boolean {
  return (
    /^ENTREPOT_PORT$/.test(variable) ||
    /^ENTREPOT_(?:\w+_)?SERVICE_(?:HOST|PORT)/.test(variable) ||
    variable.startsWith('ENTREPOT_SERVICE_') ||
    /^ENTREPOT_(?:\w+_)?PORT_\d+_/.test(variable) ||
    (variable.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(text))
  )
}
