// The health check of the image, which has neither a shell nor curl: exit code 0 when the process answers.
// Set HEALTHCHECK_URL where the admin listener has another port.
const url = process.env['HEALTHCHECK_URL'] ?? 'http://127.0.0.1:5001/healthz'
try {
  const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(4000) })
  if (!ok) throw new Error(`status ${status}`)
} catch (error) {
  process.stderr.write(`${url}: ${error.cause?.message ?? error.message}\n`)
  process.exitCode = 1
}
