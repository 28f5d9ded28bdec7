#!/usr/bin/env -S node --v8-pool-size=1 --max-semi-space-size=8 --heap-growing-percent=40 --no-concurrent-array-buffer-sweeping
// Only this file sets V8 flags. setFlagsFromString comes too late for the size of the semi-spaces, which V8
// reads before any script runs. With 4 MiB of them, a warm manifest costs a tenth more. 50 clients on a cold
// 128 MiB blob: 177 to 182 MiB at the peak with 4 MiB and the flags above, 181 to 188 MiB with the same flags
// set at run time, 199 MiB without.
// With a growth of 15 % instead of 40, about every third process collected its whole heap 16 times a second under
// warm requests, and answered half as many.
// With V8's four helper threads, a collection of the whole heap takes both processors of a small machine for some
// 20 ms, and the main thread waits behind them: one leaves it a processor (SEC-73). A cold 128 MiB blob takes no
// longer, in a new process and in one that has pulled.
import { earlySignals, ignoreRotationSignals } from './cli/service/early-signals.ts'

// The program takes half a second to load. Signals that come meanwhile are followed, and so it is loaded last.
const [, , command, ...options] = process.argv
const isService = command === 'serve' && !options.includes('--check')
const early = isService ? earlySignals(process, (code) => process.exit(code)) : undefined
if (isService) ignoreRotationSignals(process)
const { runProgram } = await import('./program.ts')
await runProgram(early)
