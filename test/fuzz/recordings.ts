import type { Digest } from '../../src/oci/digest.ts'

export interface Known {
  readonly manifest: Digest
  readonly blob: Digest
}

const MANIFESTS = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
]

/** Requests as real clients send them (reference/clients.md section 1), and those of a push. */
export function recordings({ manifest, blob }: Known): readonly string[] {
  const agent = {
    docker: 'User-Agent: docker/27.3.1 go/go1.22.7 git-commit/41ca978 kernel/6.1.0 os/linux arch/amd64',
    containerd: 'User-Agent: containerd/2.1.0',
    podman: 'User-Agent: containers/5.32.2 (github.com/containers/image)',
    crane: 'User-Agent: go-containerregistry/v0.20.2',
    oras: 'User-Agent: oras/1.2.0',
  }
  const app = '/v2/library/app'
  const each = MANIFESTS.map((type) => `Accept: ${type}`)
  const all = `Accept: ${MANIFESTS.join(', ')}, */*`
  return [
    request('GET', '/v2/', agent.docker, 'Accept-Encoding: gzip', 'Connection: close'),
    request(
      'HEAD',
      `${app}/manifests/latest`,
      agent.docker,
      ...each,
      'Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln',
    ),
    request(
      'GET',
      `${app}/manifests/${manifest}`,
      agent.docker,
      ...each,
      'Authorization: Basic Y2ktNzpzZWNyZXQ=',
    ),
    request('GET', `${app}/blobs/${blob}`, agent.docker, 'Accept-Encoding: identity', 'Range: bytes=100-'),
    request('HEAD', `${app}/manifests/latest?ns=docker.io`, agent.containerd, all),
    request(
      'GET',
      `${app}/manifests/${manifest}?ns=docker.io`,
      agent.containerd,
      `Accept: ${MANIFESTS[3]}, */*`,
      'Range: bytes=0-',
    ),
    request(
      'GET',
      `${app}/blobs/${blob}?ns=docker.io`,
      agent.containerd,
      'Accept: */*',
      'Accept-Encoding: zstd;q=1.0, gzip;q=0.8, deflate;q=0.5',
      'Range: bytes=0-',
    ),
    request('GET', '/v2/', agent.podman, 'Docker-Distribution-Api-Version: registry/2.0'),
    request('GET', `${app}/blobs/${blob}`, agent.podman, 'Range: bytes=1-20,30-40,-5'),
    request('GET', `/v2/ghcr.io/org/app/manifests/sha256-${blob.slice(7)}.sig`, agent.podman, all),
    request('GET', `${app}/tags/list?n=2&last=latest`, agent.crane, 'X-Forwarded-For: 10.1.2.3, 127.0.0.1'),
    request('GET', `${app}/manifests/latest`, agent.crane, all, `If-None-Match: "${manifest}"`),
    request(
      'GET',
      `${app}/referrers/${manifest}?artifactType=application%2Fvnd.example`,
      agent.oras,
      'Accept: application/vnd.oci.image.index.v1+json',
    ),
    request(
      'GET',
      `/v2/private/app/manifests/latest?ns=ghcr.io`,
      agent.oras,
      'Authorization: Basic Y2ktNzpzZWNyZXQ=',
    ),
    request('POST', `${app}/blobs/uploads/?mount=${blob}&from=other/app`, agent.docker, 'Content-Length: 0'),
    request(
      'PUT',
      `${app}/manifests/latest`,
      agent.crane,
      `Content-Type: ${MANIFESTS[3]}`,
      'Content-Length: 2',
    ) + '{}',
    request('PATCH', `${app}/blobs/uploads/1?_state=x`, agent.docker, 'Transfer-Encoding: chunked') +
      '3\r\nabc\r\n0\r\n\r\n',
    request('DELETE', `${app}/manifests/${manifest}`, agent.oras),
    'GET /v2/ HTTP/1.0\r\n\r\n',
  ]
}

function request(method: string, target: string, ...headers: readonly string[]): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: cache.internal:5000', ...headers, '', ''].join('\r\n')
}
