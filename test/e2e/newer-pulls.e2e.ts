/**
 * What the clients of the machine's own Debian pull, pulled by Debian's newest: Docker 28, containerd 2,
 * podman 5, skopeo 1.22.
 */
import { newerRoot } from './support/newer-root.ts'
import { pullSuite } from './support/pull-suite.ts'
import { containerdPulls } from './support/pulls/containerd.ts'
import { dockerPulls } from './support/pulls/docker.ts'
import { podmanPulls } from './support/pulls/podman.ts'
import { skopeoPulls } from './support/pulls/skopeo.ts'

const newer = await newerRoot()

pullSuite('newer dockerd', dockerPulls({ system: newer, cannot: ['artifact'] }))
pullSuite(
  'newer dockerd with the image store of containerd',
  dockerPulls({ system: newer, cannot: [], isContainerdStore: true }),
)
pullSuite('newer containerd', containerdPulls(newer))
pullSuite('newer podman', podmanPulls(newer))
pullSuite('newer skopeo', skopeoPulls(newer))
