import { acr } from './acr.ts'
import { artifactory } from './artifactory.ts'
import { dockerHub } from './docker-hub.ts'
import { ecr } from './ecr.ts'
import { gar } from './gar.ts'
import { ghcr } from './ghcr.ts'
import { gitlab } from './gitlab.ts'
import { harbor } from './harbor.ts'
import type { Dialect } from './layer.ts'
import { nexus } from './nexus.ts'
import { quay } from './quay.ts'

/** Those that are faked by name, each made anew. */
export const EVERY_REGISTRY: readonly (() => Dialect)[] = [
  dockerHub,
  ghcr,
  quay,
  ecr,
  acr,
  gar,
  gitlab,
  harbor,
  artifactory,
  nexus,
]
