/** One upload as a value, and the pure functions that move it on. */
import type { SessionProblem, UploadSession } from '../ports/moving/destination.ts'
import type { UploadSource } from '../ports/moving/upload-sources.ts'
import { type Budget, budgetOf, type UploadPolicy } from './upload-policy.ts'

export interface UploadState {
  readonly size: number
  readonly budget: Budget
  /** What is left to mount it from, best first. */
  readonly sources: readonly UploadSource[]
  readonly mounts: number
  readonly checks: number
  /** When to ask whether the repository has the blob: before mounts, after them, or not at all. */
  readonly check: 'now' | 'after mounts' | 'no'
  readonly session: UploadSession | undefined
  /** What `session` says was said by the destination after all that was sent. */
  readonly isCertain: boolean
  /** The most bytes to send in one request. */
  readonly chunk: number
  /** Failures in a row. */
  readonly failures: number
  /** The most bytes that the destination ever had. */
  readonly furthest: number
}

/** What to do next. Positions are bytes of the blob, `end` not included. */
export type Step =
  | { readonly does: 'check' }
  | { readonly does: 'mount'; readonly from: UploadSource }
  | { readonly does: 'begin' }
  | { readonly does: 'status'; readonly session: UploadSession }
  | { readonly does: 'append'; readonly session: UploadSession; readonly end: number }
  | { readonly does: 'finish'; readonly session: UploadSession; readonly end: number }

/** How a step went; a step that failed otherwise has thrown. */
export type StepResult = boolean | 'mounted' | 'refused' | 'denied' | 'done' | SessionProblem | UploadSession

/** `sent`: it took the bytes. */
export type UploadOutcome = 'exists' | 'mounted' | 'sent'

export function beginning(
  size: number,
  { sources, isKnown }: { readonly sources: readonly UploadSource[]; readonly isKnown: boolean },
  policy: UploadPolicy,
): UploadState {
  const budget = budgetOf(size)
  return {
    size,
    budget,
    sources,
    mounts: 0,
    checks: 0,
    check: isKnown ? 'now' : budget.checksUnknown ? 'after mounts' : 'no',
    session: undefined,
    isCertain: true,
    chunk: policy.chunk,
    failures: 0,
    furthest: 0,
  }
}

/** Known to be there → mounts → there after all → bytes, continued where the destination says. */
export function nextStep(state: UploadState): Step {
  const { size, budget, sources, mounts, check, session, isCertain } = state
  if (check === 'now') return { does: 'check' }
  const [from] = sources
  if (from !== undefined && mounts < budget.mounts && !hasBytes(state)) return { does: 'mount', from }
  if (check === 'after mounts') return { does: 'check' }
  if (session === undefined) return { does: 'begin' }
  if (!isCertain) return { does: 'status', session }
  const most = Math.max(state.chunk, session.leastChunk ?? 0)
  const end = Math.min(size, session.offset + most)
  // A blob that fits into one request is sent with the one that ends its session.
  const isLast = session.offset === size || (session.offset === 0 && end === size)
  return { does: isLast ? 'finish' : 'append', session, end }
}

/** The state after a step, or how the upload ended. */
export function afterStep(state: UploadState, step: Step, result: StepResult): UploadState | UploadOutcome {
  switch (step.does) {
    case 'check':
      return result === true ? 'exists' : { ...state, checks: state.checks + 1, check: 'no' }
    case 'mount':
      if (result === 'mounted') return 'mounted'
      return withSession(
        { ...state, mounts: state.mounts + 1, sources: state.sources.slice(1) },
        typeof result === 'object' ? result : state.session,
      )
    case 'begin':
    case 'status':
    case 'append':
      return typeof result === 'object'
        ? withSession(state, result)
        : withProblem(state, result as SessionProblem, step)
    case 'finish':
      return result === 'done' ? 'sent' : withProblem(state, result as SessionProblem, step)
  }
}

/**
 * The state after a step that failed without an answer. It is not known what of it has arrived: a session may
 * even have ended well.
 */
export function afterFailure(state: UploadState, step: Step): UploadState {
  const failed = { ...state, failures: state.failures + 1 }
  if (step.does === 'append') return { ...failed, isCertain: false }
  if (step.does === 'finish') return { ...failed, isCertain: false, check: 'now' }
  return failed
}

function withSession(state: UploadState, session: UploadSession | undefined): UploadState {
  const offset = session?.offset ?? 0
  const isFurther = offset > state.furthest
  return {
    ...state,
    session,
    isCertain: true,
    failures: isFurther ? 0 : state.failures,
    furthest: Math.max(offset, state.furthest),
  }
}

function withProblem(state: UploadState, problem: SessionProblem, step: Step): UploadState {
  // What the destination says of its limit is no failure.
  if (problem === 'too large' && 'end' in step) {
    return { ...state, isCertain: false, chunk: Math.ceil((step.end - step.session.offset) / 4) }
  }
  const failed = { ...state, failures: state.failures + 1 }
  if (problem === 'no chunks') return { ...state, session: undefined, isCertain: true, chunk: Infinity }
  if (problem === 'misplaced') return { ...failed, isCertain: false }
  // Somebody else may have sent it meanwhile. A session that was to end may have ended well.
  const isWorthAsking = problem === 'lost' && (step.does === 'finish' || state.checks < state.budget.checks)
  return { ...failed, session: undefined, isCertain: true, check: isWorthAsking ? 'now' : 'no' }
}

/** Whether the session would be lost to a mount. */
function hasBytes({ session }: UploadState): boolean {
  return session !== undefined && session.offset > 0
}
