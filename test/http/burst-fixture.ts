/** A process that serves a registry with one tag, to be stopped while clients connect. Says its port on stdout. */
import { MemoryRegistry } from '../support/memory-registry.ts'
import { serveRegistry } from '../support/registry-server.ts'

const { port } = await serveRegistry(new MemoryRegistry())
process.stdout.write(`${port}\n`)
