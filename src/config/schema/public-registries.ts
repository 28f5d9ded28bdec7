interface PublicRegistry {
  readonly url: string
  readonly tokenRealms?: string[]
}

/** The built-in upstreams, by name. */
export const PUBLIC_REGISTRIES: ReadonlyMap<string, PublicRegistry> = new Map(
  Object.entries({
    'docker.io': { url: 'https://registry-1.docker.io', tokenRealms: ['https://auth.docker.io'] },
    'ghcr.io': { url: 'https://ghcr.io' },
    'quay.io': { url: 'https://quay.io' },
    'registry.k8s.io': { url: 'https://registry.k8s.io' },
    'gcr.io': { url: 'https://gcr.io' },
    'mcr.microsoft.com': { url: 'https://mcr.microsoft.com' },
    'public.ecr.aws': { url: 'https://public.ecr.aws' },
  }),
)
