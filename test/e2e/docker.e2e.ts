import { pullSuite } from './support/pull-suite.ts'
import { dockerPulls } from './support/pulls/docker.ts'
import { THIS_MACHINE } from './support/system.ts'

pullSuite(
  'dockerd with the daemon.json of the README',
  dockerPulls({ system: THIS_MACHINE, cannot: ['nested', 'artifact'] }),
)
