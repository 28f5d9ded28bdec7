import type { Answer, WireRequest } from '../fake-upstream/wire.ts'

/** What a layer may know of the registry it is part of. */
export interface Place {
  /** The registry's own origin. */
  readonly url: string
  /** Origin of the storage service, or of the login service, that stands beside it. */
  readonly besides: string
}

export type Respond = (request: WireRequest) => Answer

/** One habit of a registry: changes what is asked or answered, or answers itself. */
export type Layer = (request: WireRequest, next: Respond, place: Place) => Answer

/** A registry of one vendor: what it does differently from a registry that does everything right. */
export interface Dialect {
  readonly name: string
  /** The first has the request first. */
  readonly layers: readonly Layer[]
  /** Answers on the origin beside the registry: storage or login. */
  readonly beside?: Layer
  /** Login of the registry's only user; anonymous without. */
  readonly login?: { readonly username: string; readonly password: string }
}

/** The parts of a registry path; undefined for anything else. */
export function partsOf(
  target: string,
): { repository: string; kind: string; reference: string; query: URLSearchParams } | undefined {
  const url = new URL(target, 'http://fake')
  const match = /^\/v2\/(.+)\/(manifests|blobs|referrers|tags)\/([^/]+)$/.exec(url.pathname)
  if (match === null) return undefined
  const [, repository = '', kind = '', reference = ''] = match
  return { repository, kind, reference, query: url.searchParams }
}

export function html(status: number, title: string): Answer {
  const body = Buffer.from(`<!doctype html><title>${title}</title><h1>${title}</h1>\n`)
  return { status, headers: { 'Content-Type': 'text/html; charset=utf-8' }, body }
}

export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: Buffer.alloc(0) }
}
