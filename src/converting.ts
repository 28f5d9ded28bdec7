import type { Logger } from 'pino'
import { imageText } from './oci/image-pattern.ts'
import type { DownloadManager } from './download/manager.ts'
import type { BlobStore } from './ports/blob-store.ts'
import { conversions } from './schema1/conversion.ts'
import { type Converter, converter } from './schema1/converter.ts'
import { layerMeter } from './schema1/meter/layer-meter.ts'
import { storedLayers } from './schema1/stored-layers.ts'
import type { MemoryCached } from './cache/memory/memory.ts'
import type { FilesystemStore } from './storage/filesystem-store.ts'
import type { Uploads } from './storage/uploads.ts'

export interface ConvertingOptions {
  readonly store: MemoryCached<FilesystemStore>
  /** Those of `store`, with room for what is written. */
  readonly blobs: BlobStore
  readonly downloads: Pick<DownloadManager, 'ended'>
  /** On their way to where other replicas find them. */
  readonly uploads: Pick<Uploads, 'tried'> | undefined
  readonly log: Pick<Logger, 'info'>
}

/** Builds what converts images of schema 1. */
export function buildConverter({ store, blobs, downloads, uploads, log }: ConvertingOptions): Converter {
  const meter = layerMeter()
  const converting = converter({
    conversions: conversions({
      store: { ...store, blobs },
      layers: storedLayers({
        blobs,
        links: store.links,
        facts: store.layerFacts,
        meter,
        downloaded: ({ upstream }, digest) => downloads.ended(upstream, digest),
      }),
      shared: uploads?.tried,
    }),
    converted({ repository, source: digest, ...rest }) {
      log.info({ image: imageText({ repository, digest }), ...rest }, 'converted an image of schema 1')
    },
  })
  return {
    convert: converting.convert,
    async [Symbol.asyncDispose]() {
      await converting[Symbol.asyncDispose]()
      await meter[Symbol.asyncDispose]()
    },
  }
}
