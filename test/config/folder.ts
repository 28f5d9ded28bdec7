import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Config, loadConfig } from '../../src/config/load-config.ts'

/** A folder with these files, gone when the test is over. */
export async function folderOf(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-config-'))
  t.after(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

/** The configuration that `yaml` comes to, beside the other `files`. */
export async function load(
  t: TestContext,
  yaml: string,
  { env = {}, files = {} }: { env?: Record<string, string>; files?: Record<string, string> } = {},
): Promise<Config> {
  const folder = await folderOf(t, { ...files, 'proxy.config.yaml': yaml })
  return loadConfig({ file: join(folder, 'proxy.config.yaml'), env, required: true })
}
