export interface Places {
  /** URLs of the two upstreams. */
  readonly upstream: string
  readonly other: string
  /** The proxy has a disk of its own, in the folder of its configuration. */
  readonly disk: string | undefined
  /** Which of two configurations that change in turn. What the judges know holds in both. */
  readonly isOther: boolean
}

/** Short times and small sizes, so that whatever takes its time or has a bound happens within a minute. */
export function configurationOf({ upstream, other, disk, isOther }: Places): object {
  return {
    storage: { root: disk === undefined ? './data' : './disk/data', maxSize: '24MiB', minFree: 0 },
    cache: {
      sweep: '*/10 * * * * *',
      ttl: '20s',
      negative: '1s',
      tags: [{ match: '.*', fresh: isOther ? '500ms' : '1s' }],
    },
    transfers: { segmentAbove: isOther ? '512KiB' : '1MiB', finishBelow: '256KiB', queueTimeout: '2s' },
    log: { access: false },
    upstreams: {
      'docker.io': {
        url: upstream,
        maxTransfers: isOther ? 12 : 8,
        timeouts: { connect: '1s', headers: '2s', idle: '1s' },
      },
      'ghcr.io': { url: other },
    },
  }
}
