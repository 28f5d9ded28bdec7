import type { Dispatcher } from 'undici'
import type { RequestKind } from '../ports/telemetry.ts'

/** One request to a registry or to where it sends us. */
export interface Question {
  readonly kind: RequestKind | 'token'
  /** POST and a body for tokens alone: this proxy reads. */
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly body?: string
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** What a token has to allow, as `repository:<name>:pull`. */
  readonly scope?: string
  /** Ends the question and, while its body comes, the body. */
  readonly signal?: AbortSignal
}

/** The answer up to its headers. Whoever gets it reads, drains or destroys the body. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Dispatcher.ResponseData['body']
  /** Who answered, after redirects. */
  readonly url: URL
}

/**
 * Authorization and redirects are each an `Ask` around another one.
 *
 * @throws RegistryError when there is no answer. Every status is an answer.
 */
export type Ask = (question: Question) => Promise<Answer>

/** A header's value; repeated ones as the list they stand for (RFC 9110 section 5.3). */
export function headerOf(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Lets go of an answer nobody wants to read: a short body is read so that its connection is used again. */
export function discard(answer: Answer): undefined {
  // `dump` resolves when the body breaks off, too: a body nobody wants has no failure.
  void answer.body.dump({ limit: 64 * 1024 })
}
