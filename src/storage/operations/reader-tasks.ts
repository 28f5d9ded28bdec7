import type { Image } from '../../ports/operations.ts'
import type { ImageOrder } from '../../ports/image-order.ts'
import { allOf } from '../index/in-slices.ts'
import type { Statements } from '../index/sql.ts'
import { type SeenTask, seenTags } from '../index/tags/seen-at.ts'
import { usageRows } from './disk-usage.ts'
import { imagesMatching } from './images/find-images.ts'
import { imagesAsOf } from './images/images-as-of.ts'
import { inOrder } from '../../ports/image-order.ts'
import { purgeSteps } from './purge-plan.ts'
import { retainedRows, type RetentionTask } from './retained.ts'
import { repositoriesOf } from './stored-repositories.ts'
import { usedImages } from './used-since.ts'

/** Which images are meant, in a form that goes to another thread. */
export interface Wanted {
  readonly pattern: string
  /** The patterns that the configuration pins. */
  readonly pinned: readonly string[]
}

export interface ImageTask extends Wanted {
  readonly by: ImageOrder
  readonly limit: number | undefined
  /** Epoch milliseconds; undefined = now. */
  readonly asOf: number | undefined
  readonly vanishing: boolean | undefined
}

export interface PurgeTask extends Wanted {
  readonly dryRun: boolean
}

/** What is done in the thread of `index-reader.ts`. */
const TASKS = {
  images: (sql: Statements, task: ImageTask) => inOrder(wantedImages(sql, task), task.by, task.limit),
  usage: (sql: Statements) => allOf(usageRows(sql)),
  purge: (sql: Statements, task: PurgeTask) => purgeSteps(sql, task),
  used: (sql: Statements, since: number) => usedImages(sql, since),
  retained: (sql: Statements, task: RetentionTask) => retainedRows(sql, task),
  repositories: (sql: Statements, upstream: string) => repositoriesOf(sql, upstream),
  seen: (sql: Statements, task: SeenTask) => seenTags(sql, task),
} as const

function wantedImages(sql: Statements, task: ImageTask): readonly Image[] {
  const { asOf, vanishing } = task
  const found = allOf(asOf === undefined ? imagesMatching(sql, task) : imagesAsOf(sql, task, asOf))
  return vanishing === true ? found.filter(({ isVanishing }) => isVanishing) : found
}

type Tasks = typeof TASKS
export type TaskName = keyof Tasks
export type Arguments<Name extends TaskName> =
  Parameters<Tasks[Name]> extends [Statements, ...infer Rest] ? Rest : never
export type Row<Name extends TaskName> = ReturnType<Tasks[Name]> extends Iterable<infer One> ? One : never

export interface Task {
  readonly name: TaskName
  readonly args: readonly unknown[]
}

/** Runs a task. Its parts that take long are over when the first row comes. */
export function rowsOf(sql: Statements, { name, args }: Task): Iterable<unknown> {
  const run = TASKS[name] as (sql: Statements, ...args: readonly unknown[]) => Iterable<unknown>
  return run(sql, ...args)
}
