import type { Logger } from 'pino'
import type { LoadedFile } from '../config/files.ts'
import { followFiles } from '../config/reloading-files.ts'

/**
 * Applies files again when they change. Logs what `apply` refuses; the previous version then stays in use.
 */
export function reloadOnChange(
  files: readonly LoadedFile[],
  apply: (texts: readonly string[]) => void,
  log: Logger,
): Disposable {
  const paths = files.map(({ path }) => path)
  return followFiles({
    files,
    changed(texts) {
      apply(texts)
      log.info({ files: paths }, 'reloaded')
    },
    failed: (err) => log.error({ err, files: paths }, 'reload failed, keeping the previous version'),
  })
}
