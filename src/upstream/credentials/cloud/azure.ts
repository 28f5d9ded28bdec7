import { decodeJwt } from 'jose'
import { CredentialProblem } from '../credential-problem.ts'
import { entraToken } from './azure-identity.ts'
import type { CloudLogin, CloudSurroundings } from './cloud-login.ts'
import { bounded, jsonOf, tokenOf } from './issued.ts'

const STEP = 'the exchange for a token of the registry'
/** The user of who shows a refresh token. */
const NO_USER = '00000000-0000-0000-0000-000000000000'

/**
 * A refresh token of an Azure registry as a login (Azure/acr, docs/AAD-OAuth.md): the registry gives it for a
 * token of Entra ID.
 *
 * @throws CredentialProblem
 */
export async function acrLogin(surroundings: CloudSurroundings): Promise<CloudLogin> {
  const { host, env, exchange } = surroundings
  const access = await entraToken(surroundings)
  const tenant = env['AZURE_TENANT_ID']
  const form = new URLSearchParams({ grant_type: 'access_token', service: host })
  if (tenant) form.set('tenant', tenant)
  form.set('access_token', access)
  const answer = await exchange({
    step: STEP,
    url: new URL(`https://${host}/oauth2/exchange`),
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    advice: 'check that the identity has the role AcrPull on the registry',
  })
  const password = tokenOf(jsonOf(answer, STEP)['refresh_token'], STEP)
  return { credentials: { username: NO_USER, password }, lifetime: lifetimeOf(password) }
}

/** By its own claims, of which one is as wrong as the other where clocks differ. */
function lifetimeOf(token: string): number {
  try {
    const { iat, exp } = decodeJwt(token)
    return bounded((Number(exp) - Number(iat)) * 1000)
  } catch (error) {
    throw new CredentialProblem(`${STEP}: the token of the registry is not a JWT`, { cause: error })
  }
}
