import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { authority } from '../certificates.ts'
import { fakeProxy } from '../fake-proxy.ts'
import { FakeListener, type RecordedRequest } from '../fake-upstream/listener.ts'
import { failure } from '../fake-upstream/registry.ts'
import type { Answer } from '../fake-upstream/wire.ts'
import { type TempFolder, tempFolder } from '../temp-folder.ts'

type Respond = (request: RecordedRequest) => Answer

/** What a cloud is to a workload in it: services by https under their own names, and a metadata service. */
export interface FakeCloud extends AsyncDisposable {
  /** By host. They are reached through a proxy, and show certificates of an authority of their own. */
  readonly hosts: Map<string, Respond>
  /** All of `hosts` together. */
  readonly services: FakeListener
  /** By plain http on the loopback. */
  readonly metadata: FakeListener
  /** What `metadata` answers. */
  respond: Respond
  /** What the proxy was asked to connect to. */
  readonly asked: () => readonly string[]
  /** Names proxy and authority, as a platform does. */
  readonly env: NodeJS.ProcessEnv
  readonly folder: string
  /** Requests to a host so far. */
  find(host: string): readonly RecordedRequest[]
}

const ca = authority()
const unknown: Respond = () => failure(404, 'UNKNOWN')

/** A cloud with certificates for these hosts. It is gone when the test is over. */
export async function fakeCloud(t: TestContext, ...names: readonly string[]): Promise<FakeCloud> {
  const temp: TempFolder = await tempFolder()
  const bundle = join(temp.path, 'ca.pem')
  await writeFile(bundle, ca.cert)
  const hosts = new Map<string, Respond>()
  const hostOf = ({ headers }: RecordedRequest): string => headers['host'] ?? ''
  const services = new FakeListener((request) => (hosts.get(hostOf(request)) ?? unknown)(request), {
    tls: ca.server(...names),
  })
  const metadata = new FakeListener((request) => cloud.respond(request))
  await Promise.all([services.start(), metadata.start()])
  const proxy = await fakeProxy(() => services.port)
  const cloud: FakeCloud = {
    hosts,
    services,
    metadata,
    respond: unknown,
    asked: () => proxy.asked.map(({ target }) => target),
    env: { HTTPS_PROXY: proxy.url, SSL_CERT_FILE: bundle },
    folder: temp.path,
    find: (host) => services.requests.filter((request) => hostOf(request) === host),
    async [Symbol.asyncDispose]() {
      await Promise.all([proxy, services, metadata, temp].map((part) => part[Symbol.asyncDispose]()))
    },
  }
  t.after(() => cloud[Symbol.asyncDispose]())
  return cloud
}

export function text(body: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 200, headers: { 'Content-Type': 'text/plain', ...headers }, body: Buffer.from(body) }
}

export function answer(status: number, body: object): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/json' },
    body: Buffer.from(JSON.stringify(body)),
  }
}
