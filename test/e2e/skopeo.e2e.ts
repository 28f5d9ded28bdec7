import { pullSuite } from './support/pull-suite.ts'
import { skopeoPulls } from './support/pulls/skopeo.ts'
import { THIS_MACHINE } from './support/system.ts'

pullSuite('skopeo with the registries.conf of the README', skopeoPulls(THIS_MACHINE))
