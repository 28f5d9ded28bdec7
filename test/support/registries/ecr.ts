import type { Dialect } from './layer.ts'
import { pages } from './pages.ts'
import { redirectsBlobs, storage } from './storage.ts'
import { wantsLogin } from './tokens.ts'

const login = { username: 'AWS', password: 'an-authorization-token' }

/**
 * An ECR registry: Basic with a token as the password (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html);
 * 100 tags a page (https://github.com/docker-archive/migrator/issues/96), `n` over 1,000 is 405
 * (https://github.com/google/go-containerregistry/issues/681), `last` is an opaque token in an absolute `Link`; blobs from S3.
 */
export function ecr(): Dialect {
  return {
    name: 'ECR',
    login,
    layers: [
      wantsLogin(login, 'https://registry.example/'),
      pages({
        size: 100,
        most: 1000,
        beyond: 405,
        cursor: { parameter: 'last', opaque: true },
        link: (path, query, { url }) => `${url}${path}?${query}`,
      }),
      redirectsBlobs({ status: 307 }),
    ],
    beside: storage(),
  }
}
