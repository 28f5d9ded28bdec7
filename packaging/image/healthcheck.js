// The health check of the image, which has neither a shell nor curl: exit code 0 when the process answers.
// HEALTHCHECK_URL is for where the configuration gives the admin listener another port, or TLS.
const { HEALTHCHECK_URL, ENTREPOT_ADMIN_PORT = '5001' } = process.env
const url = HEALTHCHECK_URL ?? `http://127.0.0.1:${ENTREPOT_ADMIN_PORT}/healthz`
try {
  const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(4000) })
  if (!ok) throw new Error(`status ${status}`)
} catch (error) {
  process.stderr.write(`${url}: ${error.cause?.message ?? error.message}\n`)
  process.exitCode = 1
}
