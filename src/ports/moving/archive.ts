/** Images in one file. The types are those of the admin API: sizes are bytes, instants ISO 8601. */
import type { ImagePattern } from '../../oci/image-pattern.ts'
import type { RunningJob } from './jobs.ts'

export interface ExportRequest {
  readonly patterns: readonly ImagePattern[]
  /** Patterns of `oci/platform.ts`. Left out: all platforms. */
  readonly platforms?: readonly string[] | undefined
  /** With signatures and whatever else refers to the images. */
  readonly referrers?: boolean | undefined
  /** Epoch milliseconds: without the layers of the images as they were then. */
  readonly since?: number | undefined
  /** Epoch milliseconds: what the tags pointed to then. */
  readonly asOf?: number | undefined
}

/** An archive that is ready to be written: all of it is stored. */
export interface ExportedArchive {
  readonly images: number
  readonly blobs: number
  /** Of the tar. */
  readonly bytes: number
  /** Writes it as fast as it is read. */
  write(): ReadableStream<Uint8Array>
}

/** @throws Error that says which part of which image cannot be had; the reason of the job's signal */
export type ExportImages = (
  request: ExportRequest,
  job: Pick<RunningJob, 'signal' | 'say'>,
) => Promise<ExportedArchive>

export interface ImportedImage {
  /** `docker.io/library/node:20`, or with a digest. */
  readonly image: string
  readonly digest: string
  /** `kept`: upstream was asked for the tag after the archive was made, and it says otherwise. */
  readonly state: 'imported' | 'present' | 'kept'
  /** Platforms of its index that are not in the archive. */
  readonly absent: readonly string[]
}

export interface ImportReport {
  readonly images: readonly ImportedImage[]
  /** What was not stored before. */
  readonly blobs: number
  readonly bytes: number
}

/**
 * Takes an archive in, all of it or nothing.
 *
 * @param as `UPSTREAM/REPOSITORY`, instead of the names in the archive
 * @throws Error that says what is wrong with the archive; the reason of the job's signal
 */
export type ImportArchive = (
  bytes: ReadableStream<Uint8Array>,
  options: { readonly as?: string | undefined },
  job: Pick<RunningJob, 'signal' | 'say'>,
) => Promise<ImportReport>
