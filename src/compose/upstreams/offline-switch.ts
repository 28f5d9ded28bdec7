/** Which upstreams are to be treated as unreachable for a while. Instants are epoch milliseconds. */
export interface OfflineSwitch extends Disposable {
  /** When it ends for this upstream; undefined = it is not offline. */
  until(upstream: string): number | undefined
  /** Begins, or begins anew. It ends by itself. @returns when it ends */
  begin(upstream: string, milliseconds: number): number
  /** @returns whether it was offline */
  end(upstream: string): boolean
}

/** `changed` is called when an upstream goes offline or comes back. */
export function offlineSwitch(changed: (upstream: string) => void): OfflineSwitch {
  const rehearsals = new Map<string, { readonly until: number; readonly timer: NodeJS.Timeout }>()

  return {
    until: (upstream) => rehearsals.get(upstream)?.until,
    begin(upstream, milliseconds) {
      clearTimeout(rehearsals.get(upstream)?.timer)
      const until = Date.now() + milliseconds
      rehearsals.set(upstream, { until, timer: setTimeout(() => end(upstream), milliseconds).unref() })
      changed(upstream)
      return until
    },
    end,
    [Symbol.dispose]() {
      for (const { timer } of rehearsals.values()) clearTimeout(timer)
    },
  }

  function end(upstream: string): boolean {
    const rehearsal = rehearsals.get(upstream)
    if (rehearsal === undefined) return false
    clearTimeout(rehearsal.timer)
    rehearsals.delete(upstream)
    changed(upstream)
    return true
  }
}
