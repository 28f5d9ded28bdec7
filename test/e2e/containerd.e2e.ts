import { pullSuite } from './support/pull-suite.ts'
import { containerdPulls } from './support/pulls/containerd.ts'
import { THIS_MACHINE } from './support/system.ts'

pullSuite('containerd with the hosts.toml of the README', containerdPulls(THIS_MACHINE))
