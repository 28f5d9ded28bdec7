import type { ImageJson, PinJson, PurgedJson } from '../../admin/image-json.ts'
import type { DiskUsage, Operations, VerificationStep } from '../../ports/operations.ts'
import { instantText } from '../../util/instant.ts'
import { adminClient, type Connection } from './admin-client.ts'
import { imageFromJson, pinFromJson, purgedFromJson } from './from-json.ts'

/**
 * The operations of the process behind an admin listener. All throw Error when it does not answer, or
 * refuses.
 */
export function remoteOperations(connection: Connection): Operations {
  const { json, lines, status } = adminClient(connection)
  return {
    catalogue: {
      async images({ text }, { by = 'use', limit = 0, asOf, vanishing } = {}) {
        const then = asOf === undefined ? '' : `&asOf=${instantText(asOf)}`
        const path = `images?pattern=${encodeURIComponent(text)}&sort=${by}&limit=${limit}${then}${vanishing === true ? '&vanishing=true' : ''}`
        const { images } = await json<{ images: ImageJson[] }>('GET', path)
        return images.map(imageFromJson)
      },
      usage: () => json<DiskUsage>('GET', 'usage'),
      async purge({ text }, { dryRun }) {
        return purgedFromJson(await json<PurgedJson>('POST', 'purge', { pattern: text, dryRun }))
      },
    },
    pins: {
      async list() {
        const { pins } = await json<{ pins: PinJson[] }>('GET', 'pins')
        return pins.map(pinFromJson)
      },
      add: async ({ text }) => (await status('PUT', 'pins', { pattern: text })) === 201,
      remove: async ({ text }) => (await status('DELETE', 'pins', { pattern: text }, 404)) === 200,
    },
    async *verify({ bytesPerSecond, signal }) {
      for await (const step of lines<VerificationStep>('POST', 'verify', { bytesPerSecond }, signal)) {
        yield step
        if (step.isDone) return
      }
      throw new Error(`${connection.url} ended the verification before it was done`)
    },
  }
}
