/** Shares its jobs with nobody, as a process does that has no replicas. */
export const ALONE = {
  once: (_job: string, _due: number, work: () => Promise<void>): Promise<void> => work(),
  inTurn: <T>(_job: string, work: () => Promise<T>): Promise<T> => work(),
}
