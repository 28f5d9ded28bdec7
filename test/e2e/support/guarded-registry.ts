/** A docker-registry that asks for a password, or for tokens that are had for it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash } from 'bcryptjs'
import type { Digest } from '../../../src/oci/digest.ts'
import { type Image, pushLayers } from './images.ts'
import { type RealRegistry, realRegistry } from './registry.ts'
import { type TokenServer, tokenServer } from './token-server.ts'

export const USER = 'ci-7'

export interface GuardedRegistry extends AsyncDisposable {
  readonly registry: RealRegistry
  readonly image: Image
  readonly layers: readonly Digest[]
  /** The realms that a proxy has to be told of. */
  readonly tokenRealms: readonly string[]
  setPassword(password: string): Promise<void>
}

export type TokenRegistry = GuardedRegistry & { readonly tokens: TokenServer }

export interface GuardedRegistryOptions {
  readonly password: string
  /** What it has, as `library/app:private`. */
  readonly layers: Parameters<typeof pushLayers>[2]
}

export async function htpasswdRegistry(
  folder: string,
  { password, layers }: GuardedRegistryOptions,
): Promise<GuardedRegistry> {
  const path = join(folder, 'htpasswd')
  const setPassword = async (password: string) => writeFile(path, `${USER}:${await hash(password, 6)}\n`)
  const image = await pushed(folder, layers)
  await setPassword(password)
  const registry = await realRegistry(folder, { htpasswd: { realm: 'registry', path } })
  return {
    registry,
    image,
    layers: layersOf(image),
    tokenRealms: [],
    setPassword,
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  }
}

export async function tokenRegistry(
  folder: string,
  { password, layers }: GuardedRegistryOptions,
): Promise<TokenRegistry> {
  await using starting = new AsyncDisposableStack()
  const image = await pushed(folder, layers)
  const tokens = starting.use(await tokenServer({ folder, username: USER, password, life: 3 }))
  const registry = starting.use(await realRegistry(folder, tokens.auth))
  const running = starting.move()
  return {
    registry,
    image,
    layers: layersOf(image),
    tokens,
    tokenRealms: [tokens.url],
    async setPassword(password) {
      tokens.password = password
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

function layersOf({ content, digest, configDigest }: Image): readonly Digest[] {
  return [...content.keys()].filter((one) => one !== digest && one !== configDigest)
}

/** While it is still open. */
async function pushed(folder: string, layers: GuardedRegistryOptions['layers']): Promise<Image> {
  await using open = await realRegistry(folder)
  return await pushLayers(open.url, 'private', layers)
}
