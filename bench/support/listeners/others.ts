import { readFile } from 'node:fs/promises'

/** CPU seconds that all programs but these processes have used since the machine was started. */
export async function cpuOfOthers(own: readonly number[]): Promise<number> {
  const [all = ''] = (await readFile('/proc/stat', 'utf8')).split('\n')
  const [user, nice, system, , , interrupts, softInterrupts, stolen] = all.split(/ +/).slice(1).map(Number)
  const busy = user! + nice! + system! + interrupts! + softInterrupts! + stolen!
  const ours = await Promise.all(own.map(ticksOf))
  return (busy - ours.reduce((sum, ticks) => sum + ticks, 0)) / TICKS
}

/** A second. */
const TICKS = 100

async function ticksOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
