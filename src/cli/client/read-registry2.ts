import { readFile } from 'node:fs/promises'
import { parseYaml } from '../../config/sources/yaml.ts'

/** The configuration of a registry:2 as a tree. @throws ConfigError @throws Error when it cannot be read */
export async function readRegistry2(file: string): Promise<Readonly<Record<string, unknown>>> {
  const { tree } = parseYaml(file, await readFile(file, 'utf8'))
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree))
    throw new Error(`${file} is no configuration of registry:2: it is not a mapping`)
  return tree as Readonly<Record<string, unknown>>
}
