/** Clouds whose registries take credentials that are made of the identity of a workload. */
export type Cloud = 'ecr' | 'gcp' | 'azure'

export const CLOUDS: readonly Cloud[] = ['ecr', 'gcp', 'azure']

/** A registry of Amazon, and the API that gives out passwords for it. */
export interface EcrRegistry {
  /** `eu-central-1` */
  readonly region: string
  /** Where the API is. */
  readonly apiHost: string
  /** What requests to it are signed for. */
  readonly service: 'ecr' | 'ecr-public'
}

/** Amazon's own form of the name: account, `-fips`, region, partition. */
const ECR = /^\d{12}\.dkr\.ecr(-fips)?\.([a-z]{2,}(?:-[a-z\d]+)+)\.(amazonaws\.(?:com|com\.cn|eu))$/
/** The same for IPv4 and IPv6. */
const ECR_DUAL_STACK = /^\d{12}\.dkr-ecr(-fips)?\.([a-z]{2,}(?:-[a-z\d]+)+)\.on\.aws$/

/**
 * Reads the host of an Amazon registry. The endpoints are those of the AWS General Reference, "Amazon ECR
 * endpoints and quotas".
 *
 * @returns undefined for any other host
 */
export function ecrRegistry(host: string): EcrRegistry | undefined {
  if (host === 'public.ecr.aws') {
    // The API of the public registry is in this region alone.
    return { region: 'us-east-1', apiHost: 'api.ecr-public.us-east-1.amazonaws.com', service: 'ecr-public' }
  }
  const plain = ECR.exec(host)
  if (plain !== null) {
    const [, fips, region, domain] = plain
    const apiHost = `${fips === undefined ? 'api.ecr' : 'ecr-fips'}.${region}.${domain}`
    return { region: region!, apiHost, service: 'ecr' }
  }
  const dual = ECR_DUAL_STACK.exec(host)
  if (dual === null) return undefined
  const [, fips = '', region] = dual
  return { region: region!, apiHost: `ecr${fips}.${region}.api.aws`, service: 'ecr' }
}

/** Whether a host is a registry of this cloud, which alone may see its credentials. */
export function isRegistryOf(cloud: Cloud, host: string): boolean {
  if (cloud === 'ecr') return ecrRegistry(host) !== undefined
  return (cloud === 'gcp' ? GOOGLE : AZURE).test(host)
}

/** The names of such a registry, for messages. */
export const REGISTRIES_OF: Readonly<Record<Cloud, string>> = {
  ecr: '123456789012.dkr.ecr.REGION.amazonaws.com or public.ecr.aws',
  gcp: 'LOCATION-docker.pkg.dev or gcr.io',
  azure: 'NAME.azurecr.io',
}

/** Artifact Registry, and Container Registry whose names it has taken over. */
const GOOGLE = /^(?:[a-z\d-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io)$/
/** The second label is that of a replica, `acme.westeurope.geo.azurecr.io`, or of a data endpoint. */
const AZURE = /^[a-z\d-]+(?:\.[a-z\d-]+)*\.azurecr\.(?:io|cn|us)$/
