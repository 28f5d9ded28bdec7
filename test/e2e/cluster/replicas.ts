import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fakeUpstream, type FakeUpstream } from '../../support/fake-upstream.ts'
import { eventually } from '../../support/fixtures.ts'
import { type Service, startService, WAYS } from '../../support/service.ts'
import { tempFolder } from '../../support/temp-folder.ts'
import { start } from '../support/processes.ts'
import { cephRgw, type CephRgw } from './ceph-rgw.ts'
import { freePorts } from './free-ports.ts'
import { LOGIN, newBucket, REGION } from './new-bucket.ts'
import { postgres, type Postgres } from './postgres.ts'

export interface Replica {
  readonly url: string
  readonly folder: string
  /** undefined while it is stopped. */
  service: Service | undefined
  start(): Promise<void>
  /** Ends it as the platform does, and waits. */
  stop(signal?: NodeJS.Signals): Promise<void>
  metric(name: string): Promise<number>
}

export interface Cluster extends AsyncDisposable {
  readonly upstream: FakeUpstream
  readonly rgw: CephRgw
  readonly database: Postgres
  readonly replicas: readonly Replica[]
  /** nginx in front of all of them, in turn. */
  readonly url: string
  /** What nginx has said of failures. */
  balancer(): readonly string[]
}

export interface ClusterOptions {
  readonly replicas?: number
  /** Of a connection to upstream. */
  readonly bytesPerSecond?: number
  readonly config?: object
  /** Of the upstream, `docker.io`. */
  readonly upstreamConfig?: object
  /** What is another way for one of them. */
  readonly of?: (replica: number, made: Made) => Promise<Differences>
}

/** What all replicas use. */
export interface Made {
  readonly database: Postgres
  readonly upstream: FakeUpstream
  /** The replica's own port. */
  readonly port: number
}

export interface Differences {
  /** Where it reaches the database. */
  readonly database?: string
  /** Where the others reach it. */
  readonly advertise?: string
  /** How it reaches upstream. */
  readonly upstream?: string
  /** The arguments of Node. */
  readonly node?: readonly string[]
}

const BUCKET = 'entrepot'

/** Three replicas as they are deployed: processes, Ceph RGW, PostgreSQL and nginx, over a fake upstream. */
export async function cluster({
  replicas = 3,
  bytesPerSecond,
  config,
  upstreamConfig,
  of = async () => ({}),
}: ClusterOptions = {}): Promise<Cluster> {
  await using starting = new AsyncDisposableStack()
  const folder = starting.use(await tempFolder())
  const [rgw, database] = await Promise.all([cephRgw(join(folder.path, 'ceph')), postgres()])
  starting.use(rgw)
  starting.use(database)
  const upstream = starting.use(await fakeUpstream(bytesPerSecond === undefined ? {} : { bytesPerSecond }))
  await (await newBucket(rgw, BUCKET))[Symbol.asyncDispose]()
  const first = await freePorts(replicas + 1)
  const all: Replica[] = []
  for (let i = 0; i < replicas; i++) {
    const port = first + 1 + i
    const differences = await of(i, { database, upstream, port })
    all.push(
      replica({
        folder: join(folder.path, `replica-${i}`),
        port,
        rgw,
        database: differences.database ?? database.url,
        upstream: differences.upstream ?? upstream.url,
        differences,
        config,
        upstreamConfig,
      }),
    )
  }
  starting.defer(async () => void (await Promise.all(all.map((each) => each.stop('SIGKILL')))))
  for (const each of all) await each.start()
  const nginx = join(folder.path, 'nginx')
  await mkdir(nginx)
  await writeFile(
    join(nginx, 'nginx.conf'),
    `daemon off; user root; pid ${nginx}/pid; error_log stderr info; events { worker_connections 4096; }
http {
  access_log off; proxy_temp_path ${nginx}/p; client_body_temp_path ${nginx}/b; fastcgi_temp_path ${nginx}/f;
  uwsgi_temp_path ${nginx}/u; scgi_temp_path ${nginx}/s;
  upstream replicas { ${all.map(({ url }) => `server ${url.slice(7)} max_fails=1 fail_timeout=1s;`).join(' ')} keepalive 64; }
  server {
    listen 127.0.0.1:${first};
    location / {
      proxy_pass http://replicas; proxy_http_version 1.1; proxy_set_header Connection "";
      # One thread reads for 200 clients: on a busy machine one of them may wait longer than a minute for its turn.
      send_timeout 10m; proxy_read_timeout 10m;
      proxy_buffering off; proxy_request_buffering off; proxy_connect_timeout 1s;
      proxy_next_upstream error timeout http_502 http_503; proxy_next_upstream_tries 3;
    }
  }
}`,
  )
  const balancer = starting.use(start('nginx', ['-p', nginx, '-c', join(nginx, 'nginx.conf')]))
  const url = `http://127.0.0.1:${first}`
  await eventually(async () => (await fetch(`${url}/v2/`).catch(() => undefined))?.ok === true, 20_000)
  const resources = starting.move()
  return {
    upstream,
    rgw,
    database,
    replicas: all,
    url,
    balancer: () => balancer.lines,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

interface ReplicaOptions {
  readonly folder: string
  readonly port: number
  readonly rgw: CephRgw
  readonly database: string
  readonly upstream: string
  readonly differences: Differences
  readonly config: object | undefined
  readonly upstreamConfig: object | undefined
}

function replica(options: ReplicaOptions): Replica {
  const { folder, port, rgw, database, upstream, differences, config, upstreamConfig } = options
  const { advertise, node = [] } = differences
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    folder,
    service: undefined,
    async start() {
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'secret'), 'a secret of all replicas\n', { mode: 0o600 })
      const [program, ...main] = WAYS.node
      this.service = await startService({
        folder,
        way: [program, ...node, ...main],
        config: {
          listen: { host: '127.0.0.1', port },
          storage: {
            root: './data',
            minFree: 0,
            s3: { ...LOGIN, region: REGION, bucket: BUCKET, endpoint: rgw.endpoint },
            index: { postgres: database },
          },
          cluster: { advertise: advertise ?? url, secretFile: './secret' },
          upstreams: {
            'docker.io': { url: upstream, timeouts: { connect: '1s' }, ...upstreamConfig },
          },
          shutdown: { delay: '500ms', grace: '25s' },
          log: { access: 'errors' },
          ...config,
        },
      })
    },
    async stop(signal = 'SIGTERM') {
      const { service } = this
      this.service = undefined
      service?.signal(signal)
      await service?.exited
      await service?.[Symbol.asyncDispose]()
    },
    async metric(name) {
      const text = await (await fetch(`${this.service!.adminUrl}/metrics`)).text()
      const lines = text
        .split('\n')
        .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
    },
  }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
