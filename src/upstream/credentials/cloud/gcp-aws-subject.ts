import { AwsV4Signer } from 'aws4fetch'
import type { JsonObject } from '../../../util/json-object.ts'
import { CredentialProblem } from '../credential-problem.ts'
import { awsCredentials, type AwsSurroundings } from './aws-credentials.ts'

const QUESTION = 'https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15'

/**
 * The identity of a workload at Amazon as a token for Google (AIP-4117, "Determining the subject token in
 * AWS"): a signed question to Amazon who we are, which Google asks in our place. It is signed for this
 * audience alone.
 *
 * @throws CredentialProblem
 */
export async function awsSubjectToken(
  { environment_id: kind, regional_cred_verification_url: question = QUESTION }: JsonObject,
  audience: string,
  surroundings: Pick<AwsSurroundings, 'env' | 'exchange'>,
): Promise<string> {
  if (kind !== 'aws1') throw new CredentialProblem('environment_id of credential_source is not aws1')
  const region = surroundings.env['AWS_REGION'] || surroundings.env['AWS_DEFAULT_REGION']
  if (!region) {
    throw new CredentialProblem('the region of this machine is not known', { advice: 'set AWS_REGION' })
  }
  const url = URL.parse(String(question).replace('{region}', region))
  if (url?.protocol !== 'https:' || !/^sts\.[a-z\d-]+\.amazonaws\.com(?:\.cn)?$/.test(url.host)) {
    throw new CredentialProblem('regional_cred_verification_url of credential_source is not an STS of Amazon')
  }
  const { credentials } = await awsCredentials({ ...surroundings, region })
  const { headers } = await new AwsV4Signer({
    ...credentials,
    method: 'POST',
    url: url.href,
    headers: { 'x-goog-cloud-target-resource': audience },
    service: 'sts',
    region,
  }).sign()
  const all = [...headers, ['host', url.host] as const].map(([key, value]) => ({ key, value }))
  return encodeURIComponent(JSON.stringify({ url: url.href, method: 'POST', headers: all }))
}
