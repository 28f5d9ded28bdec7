import { failure } from '../fake-upstream/registry.ts'
import type { Answer } from '../fake-upstream/wire.ts'
import { html, type Layer, partsOf } from './layer.ts'

export type HeadHabit =
  | { readonly status: number; readonly html?: boolean }
  /** 200, without or with another value of these headers. */
  | { readonly headers: Readonly<Record<string, string | undefined>> }

/** HEAD of manifests and blobs is answered otherwise than GET. */
export function heads(habits: { readonly manifests?: HeadHabit; readonly blobs?: HeadHabit }): Layer {
  return (request, next) => {
    const kind = partsOf(request.target)?.kind
    const habit = kind === 'manifests' || kind === 'blobs' ? habits[kind] : undefined
    if (request.method !== 'HEAD' || habit === undefined) return next(request)
    if ('status' in habit)
      return habit.html ? html(habit.status, 'not found') : failure(habit.status, 'UNKNOWN')
    return changed(next(request), habit.headers)
  }
}

function changed(answer: Answer, headers: Readonly<Record<string, string | undefined>>): Answer {
  const kept = { ...answer.headers, ...headers }
  const said = Object.entries(kept).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const body = headers['Content-Length'] === '0' ? Buffer.alloc(0) : answer.body
  return { ...answer, headers: Object.fromEntries(said), body }
}
