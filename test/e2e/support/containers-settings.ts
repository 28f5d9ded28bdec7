import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readmeSnippet } from './readme.ts'

export interface ContainersSettings {
  readonly env: NodeJS.ProcessEnv
  /** The file, for skopeo's `--registries-conf`; podman has it from `env`. */
  readonly registries: string
  /** A file for `--signature-policy`. */
  readonly policy: string
}

/** What podman and skopeo are told by files: the README's registries.conf, and as it says, the same for ghcr.io. */
export async function containersSettings(folder: string, proxy: string): Promise<ContainersSettings> {
  const hub = await readmeSnippet('podman', proxy)
  const other = hub.replaceAll('"docker.io"', '"ghcr.io"').replace(`"${proxy}"`, `"${proxy}/ghcr.io"`)
  const registries = join(folder, 'registries.conf')
  const policy = join(folder, 'policy.json')
  await writeFile(registries, `${hub}\n${other}`)
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  return {
    env: { CONTAINERS_REGISTRIES_CONF: registries, TMPDIR: folder, HOME: folder, XDG_RUNTIME_DIR: folder },
    registries,
    policy,
  }
}
