import type { UpstreamStatus } from '../../ports/upstream.ts'

/** Whether nothing can be fetched of an upstream at the moment. */
export function isUnreachable(status: UpstreamStatus | undefined): boolean {
  return status?.state === 'out' || status?.state === 'offline'
}
