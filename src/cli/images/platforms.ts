import { isPlatformPattern, PLATFORM_MUST } from '../../oci/platform.ts'
import { type OptionValue, UsageError } from '../command.ts'

/** The values of `--platform`, which may be given several times, or name several. @throws UsageError */
export function platformsGiven(option: OptionValue): readonly string[] | undefined {
  const given = [option ?? []].flat().flatMap((value) => String(value).split(','))
  const wrong = given.find((text) => !isPlatformPattern(text))
  if (wrong !== undefined) throw new UsageError(`--platform ${wrong}: ${PLATFORM_MUST}`)
  return given.length === 0 ? undefined : given
}
