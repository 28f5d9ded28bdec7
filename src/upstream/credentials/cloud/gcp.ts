import { parseJsonObject } from '../../../util/json-object.ts'
import { CredentialProblem } from '../credential-problem.ts'
import type { CloudLogin, CloudSurroundings } from './cloud-login.ts'
import { serviceUrl } from './environment-url.ts'
import { externalAccountToken } from './gcp-external-account.ts'
import { serviceAccountToken } from './gcp-service-account.ts'
import { accessTokenOf, type IssuedToken } from './issued.ts'
import { readPlatformFile } from './platform-file.ts'

const STEP = 'the service account of the machine'
const TOKEN = '/computeMetadata/v1/instance/service-accounts/default/token'
const ADVICE =
  'GOOGLE_APPLICATION_CREDENTIALS is not set; on Google Cloud, give the machine or the pod a service account'

/**
 * An access token of Google as a login ("Configure authentication to Artifact Registry for Docker"), from
 * where Application Default Credentials look: the file that GOOGLE_APPLICATION_CREDENTIALS names, else the
 * metadata server. Files of gcloud in the home folder are not read.
 *
 * @throws CredentialProblem
 */
export async function googleLogin(surroundings: CloudSurroundings): Promise<CloudLogin> {
  const { token, lifetime } = await tokenFrom(surroundings)
  return { credentials: { username: 'oauth2accesstoken', password: token }, lifetime }
}

async function tokenFrom({ env, exchange }: CloudSurroundings): Promise<IssuedToken> {
  const path = env['GOOGLE_APPLICATION_CREDENTIALS']
  if (!path) return metadataToken({ env, exchange })
  const what = 'the file of GOOGLE_APPLICATION_CREDENTIALS'
  const file = parseJsonObject(await readPlatformFile(path, what))
  switch (file?.['type']) {
    case 'service_account':
      return serviceAccountToken(file, exchange)
    case 'external_account':
      return externalAccountToken(file, { env, exchange })
    default:
      throw new CredentialProblem(
        `${what} is of no type that is known here: service_account, external_account`,
      )
  }
}

/** "About VM metadata"; GKE gives each pod a server of its own at the same address. */
async function metadataToken({ env, exchange }: Pick<CloudSurroundings, 'env' | 'exchange'>) {
  const service = metadataServer(env['GCE_METADATA_HOST'])
  const answer = await exchange({
    step: STEP,
    url: new URL(TOKEN, service),
    headers: { 'metadata-flavor': 'Google' },
    advice: ADVICE,
  })
  if (answer.header('metadata-flavor') !== 'Google') {
    throw new CredentialProblem(`${STEP}: ${service.host} is not the metadata server of Google`, {
      advice: ADVICE,
    })
  }
  return accessTokenOf(answer, STEP)
}

/** By its address, so that no DNS server can put another in its place. */
function metadataServer(host = ''): URL {
  const isItsName = host === '' || host === 'metadata.google.internal'
  return isItsName
    ? new URL('http://169.254.169.254')
    : serviceUrl(`http://${host}`, 'GCE_METADATA_HOST in the environment')
}
