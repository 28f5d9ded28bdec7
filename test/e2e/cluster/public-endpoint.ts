import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'

export interface PublicEndpoint extends AsyncDisposable {
  readonly url: string
  /** Of bodies. */
  readonly bytesSent: number
  readonly requests: readonly { readonly method: string; readonly authorization: string | undefined }[]
}

/** Where clients outside reach an S3 service: a proxy under another authority, which passes `Host` on as it is. */
export async function publicEndpoint(service: string): Promise<PublicEndpoint> {
  const { hostname, port } = new URL(service)
  const requests: { method: string; authorization: string | undefined }[] = []
  let bytesSent = 0
  const server = createServer((incoming, outgoing) => {
    const { method = '', url, headers } = incoming
    requests.push({ method, authorization: headers.authorization })
    const forwarded = request({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.on('data', (chunk: Buffer) => (bytesSent += chunk.length))
      // A client that leaves needs no answer.
      pipeline(answer, outgoing, () => {})
    })
    pipeline(incoming, forwarded, (error) => error && outgoing.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get bytesSent() {
      return bytesSent
    },
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
