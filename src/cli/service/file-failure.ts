const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EISDIR: 'it is a folder, and a file is needed',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'no space left in the quota',
}

/** Says why a file that the user has named cannot be used; undefined for every other error. */
export function fileFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const {
    code = '',
    syscall,
    path,
    dest = path,
  } = error as NodeJS.ErrnoException & { readonly dest?: string }
  // Reading a folder fails without its name.
  if (code === 'EISDIR' && dest === undefined) return 'a folder was named, and a file is needed'
  const isInTheWay = code === 'EEXIST' && syscall === 'mkdir'
  const reason = isInTheWay ? 'it is a file, and a folder is needed' : REASONS[code]
  return reason === undefined || dest === undefined
    ? undefined
    : `cannot use ${dest === '' ? '""' : dest}: ${reason}`
}

/** Why the standard output takes no more. */
export function outputFailure({ code = '', message }: NodeJS.ErrnoException): string {
  return `cannot write the output: ${REASONS[code] ?? message}`
}
