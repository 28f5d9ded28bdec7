import { once } from 'node:events'
import { connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'

/**
 * Pulls an image as the kubelet does: `PullImage` of the image service of CRI, over gRPC (cri-api
 * runtime/v1/api.proto).
 *
 * @throws Error with what the runtime says when it cannot
 */
export async function criPull(socket: string, image: string): Promise<void> {
  const session = connect('http://localhost', { createConnection: () => connectSocket(socket) })
  try {
    // PullImageRequest { ImageSpec image = 1 { string image = 1 } }
    const message = field(1, field(1, Buffer.from(image)))
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(message.length, 1)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/runtime.v1.ImageService/PullImage',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const headers = once(stream, 'response')
    const trailers = once(stream, 'trailers')
    stream.resume().end(Buffer.concat([prefix, message]))
    const [answered] = await Promise.race([trailers, once(stream, 'end').then(() => headers)])
    const { 'grpc-status': status, 'grpc-message': said } = answered as Record<string, string>
    if (status !== '0') throw new Error(`${image}: ${status} ${decodeURIComponent(said ?? '')}`)
  } finally {
    session.destroy()
  }
}

/** A length-delimited field of protobuf. */
function field(number: number, bytes: Buffer): Buffer {
  if (bytes.length > 127) throw new RangeError('a length of one byte is enough here')
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
}
