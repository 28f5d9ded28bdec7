/** A bcrypt hash. More than 2^14 rounds would take seconds per password. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/

/**
 * Parses a file as `htpasswd -B` writes it. @returns the hash of each user's password
 *
 * @throws Error that there is no user, or that names a line with another kind of hash, which would be guessed too
 * fast, but never quotes it
 */
export function parseHtpasswd(text: string): ReadonlyMap<string, string> {
  const users = new Map<string, string>()
  for (const [index, written] of text.split(/\r?\n/).entries()) {
    // Indented in a manifest, or with the byte order mark of an editor: no user has that in the name.
    const line = written.trim()
    if (line === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    const hash = line.slice(colon + 1).trim()
    if (colon < 1 || !BCRYPT.test(hash))
      throw new Error(`line ${index + 1} must be a user and a bcrypt hash (htpasswd -B, cost 4 to 14)`)
    users.set(line.slice(0, colon), hash)
  }
  // A file that is being written is empty for a moment.
  if (users.size === 0) throw new Error('must have at least one user')
  return users
}
