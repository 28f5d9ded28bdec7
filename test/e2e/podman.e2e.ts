import { pullSuite } from './support/pull-suite.ts'
import { podmanPulls } from './support/pulls/podman.ts'
import { THIS_MACHINE } from './support/system.ts'

pullSuite('podman with the registries.conf of the README', podmanPulls(THIS_MACHINE))
