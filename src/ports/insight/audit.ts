/** Who changed something, or tried to log in and was refused. */
export interface AuditEntry {
  /** ISO 8601. */
  readonly at: string
  readonly action:
    | 'purge'
    | 'pin'
    | 'unpin'
    | 'verify'
    | 'trust'
    | 'distrust'
    | 'offline'
    | 'online'
    | 'push'
    | 'export'
    | 'import'
    | 'mirror'
    | 'warm'
    | 'refresh'
    | 'login'
    | 'reload'
    | 'other'
  /** `this machine`, `admin.token`, or the user name that a client gave. */
  readonly by: string
  /** The address. */
  readonly from: string
  /** The pattern, or what was to be reached. */
  readonly target: string
  readonly result: string
  /** How often, within a minute of each other. */
  readonly times: number
}

export interface AuditTrail {
  record(entry: Omit<AuditEntry, 'at' | 'times'>): void
  /** The newest first. */
  list(): readonly AuditEntry[]
}
