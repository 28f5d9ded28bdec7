import { statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { ignoreNotFound } from './storage-operation.ts'

/** A user and its group, by number. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Permissions of others than the owner of a folder. */
const OTHERS = 0o077

/**
 * To whom a process of root has to give what it makes in a folder: to its owner, who is somebody else and
 * could not use it otherwise. That is what a command of an operator is for the store of a service.
 *
 * @returns undefined for every other process, and for a folder that is not there or is open to others
 */
export async function ownerToServe(folder: string): Promise<Owner | undefined> {
  return isRoot() ? othersIn(await stat(folder).catch(ignoreNotFound)) : undefined
}

/** As `ownerToServe`, of a folder that is there. */
export function ownerToServeSync(folder: string): Owner | undefined {
  return isRoot() ? othersIn(statSync(folder)) : undefined
}

function isRoot(): boolean {
  return process.geteuid?.() === 0
}

/** A folder that is open to others may be so for this process, which then may lack the rights of root. */
function othersIn(found: (Owner & { readonly mode: number }) | undefined): Owner | undefined {
  if (found === undefined || found.uid === 0 || (found.mode & OTHERS) !== 0) return undefined
  return { uid: found.uid, gid: found.gid }
}
