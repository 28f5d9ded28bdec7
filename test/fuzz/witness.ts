/**
 * Loaded before the proxy (`node --import`): says on standard error which files outside of the proxy's own folders are opened,
 * and which hosts are looked up or dialled, each once, and that it would.
 */
import dns from 'node:dns'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

type Callable = (...args: unknown[]) => unknown

const STORE = dirname(resolve(process.argv[process.argv.indexOf('--config') + 1]!))
const SOURCE = fileURLToPath(new URL('../..', import.meta.url))
const said = new Set<string>()

function say(what: string): void {
  if (said.has(what)) return
  said.add(what)
  process.stderr.write(`witness: ${what}\n`)
}

function sawPath(path: unknown): void {
  if (typeof path === 'number') return
  const name = path instanceof URL ? fileURLToPath(path) : String(path)
  const isInside = [STORE, SOURCE].some((folder) => `${resolve(name)}/`.startsWith(folder))
  if (!isInside || name.includes('\0')) say(`opened ${JSON.stringify(name)}`)
  else if (resolve(name).startsWith(STORE)) say('opened the store')
}

function watch(owner: object, names: readonly string[], saw: (...args: unknown[]) => void): void {
  const functions = owner as Record<string, Callable>
  for (const name of names) {
    const original = functions[name]!
    functions[name] = function watched(this: unknown, ...args: unknown[]) {
      saw(...args)
      return original.apply(this, args)
    }
  }
}

const ASYNC = [
  'open',
  'readFile',
  'writeFile',
  'stat',
  'lstat',
  'rename',
  'unlink',
  'rm',
  'mkdir',
  'readdir',
  'statfs',
]
watch(fs.promises, ASYNC, sawPath)
watch(fs, [...ASYNC, ...ASYNC.map((name) => `${name}Sync`), 'createReadStream'], sawPath)
watch(dns, ['lookup', 'resolve'], (name) => say(`looked up ${JSON.stringify(name)}`))
watch(net.Socket.prototype, ['connect'], (first) => {
  const { host, port, path } = (Array.isArray(first) ? first[0] : first) as Record<string, unknown>
  say(`dialled ${path ?? `${host}:${port}`}`)
})
syncBuiltinESMExports()
