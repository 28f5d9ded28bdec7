import assert from 'node:assert/strict'

export interface Refusal {
  readonly status: number
  readonly upstream: string
  readonly reason: string
}

/** What an answer that is an error says. A client is never asked for the credentials that are the proxy's own to have. */
export async function refusalIn(answer: Response): Promise<Refusal> {
  const body = await answer.text()
  assert.equal(answer.headers.get('www-authenticate'), null)
  assert.ok(answer.status >= 400, `${answer.status}: ${body.length} bytes`)
  const { errors } = JSON.parse(body) as { errors: { detail: { upstream: string; reason: string } }[] }
  const { upstream, reason } = errors[0]!.detail
  return { status: answer.status, upstream, reason }
}
