interface PublicRegistry {
  readonly url: string
  readonly tokenRealms?: string[]
}

/** The upstreams of a configuration that names none, as the file would have them. */
export const PUBLIC_REGISTRIES: Readonly<Record<string, PublicRegistry>> = {
  'docker.io': { url: 'https://registry-1.docker.io', tokenRealms: ['https://auth.docker.io'] },
  'ghcr.io': { url: 'https://ghcr.io' },
  'quay.io': { url: 'https://quay.io' },
  'registry.k8s.io': { url: 'https://registry.k8s.io' },
  'gcr.io': { url: 'https://gcr.io' },
  'mcr.microsoft.com': { url: 'https://mcr.microsoft.com' },
  'public.ecr.aws': { url: 'https://public.ecr.aws' },
}
