/**
 * What runs in the browser, as it is sent. Names from elsewhere become text only (`textContent`). Writing is a
 * request to the admin API with the token as a header, which no other site can make a browser send.
 */
export const SCRIPT = `
'use strict'
const $ = (selector, root = document) => root.querySelector(selector)
const say = (text) => { const at = $('#said'); if (at) at.textContent = text }
const sizes = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
function size(bytes) {
  let value = bytes, unit = 0
  for (; value >= 1023.5 && unit < sizes.length - 1; unit++) value /= 1024
  return (unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)) + ' ' + sizes[unit]
}
for (const element of document.querySelectorAll('[data-script]')) element.hidden = false

function transferRow(transfer) {
  const row = document.createElement('tr')
  const cell = (content) => {
    const td = document.createElement('td')
    if (typeof content === 'string') td.textContent = content
    else td.append(content)
    row.append(td)
  }
  cell(transfer.upstream)
  const digest = document.createElement('code')
  digest.textContent = transfer.digest.slice(0, 19)
  cell(digest)
  const bar = document.createElement('progress')
  bar.setAttribute('aria-label', 'progress of ' + transfer.digest.slice(0, 19))
  if (transfer.size) { bar.max = transfer.size; bar.value = transfer.filled }
  cell(bar)
  cell(size(transfer.filled) + (transfer.size ? ' of ' + size(transfer.size) : ''))
  cell(size(transfer.bytesPerSecond) + '/s')
  cell(String(transfer.followers))
  return row
}
function showTransfers(transfers) {
  const body = $('#transfers tbody')
  if (!body) return
  body.replaceChildren(...transfers.map(transferRow))
  $('#transfers').hidden = transfers.length === 0
  $('#no-transfers').hidden = transfers.length > 0
}
function showEvent(event) {
  const list = $('#events')
  if (!list) return
  const item = document.createElement('li')
  const time = document.createElement('time')
  time.textContent = new Date(event.at).toISOString().replace(/\\.\\d+/, '')
  item.append(time, ' ' + event.text)
  list.prepend(item)
  while (list.children.length > 20) list.lastChild.remove()
}
if ($('[data-live]')) {
  const source = new EventSource('api/v1/events')
  source.addEventListener('transfers', ({ data }) => showTransfers(JSON.parse(data)))
  for (const type of document.body.dataset.types.split(' '))
    source.addEventListener(type, ({ data }) => showEvent(JSON.parse(data)))
}

for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(button.dataset.copy)
    say('copied ' + button.dataset.copy)
  })
}

const token = () => sessionStorage.getItem('token')
function askToken() {
  const dialog = $('#login')
  return new Promise((resolve) => {
    dialog.returnValue = ''
    dialog.addEventListener('close', () => {
      const field = $('input', dialog)
      if (dialog.returnValue === 'ok' && field.value) sessionStorage.setItem('token', field.value)
      field.value = ''
      resolve(dialog.returnValue === 'ok')
    }, { once: true })
    dialog.showModal()
  })
}
async function write(method, path, content) {
  const headers = { 'Content-Type': 'application/json' }
  if (token()) headers.Authorization = 'Bearer ' + token()
  const response = await fetch('api/v1/' + path, { method, headers, body: JSON.stringify(content) })
  if (response.status === 401) {
    sessionStorage.removeItem('token')
    say('the admin token is needed, or was wrong')
    return (await askToken()) ? write(method, path, content) : undefined
  }
  const answer = await response.json()
  if (!response.ok) { say(answer.error); return undefined }
  return answer
}
$('#purge')?.addEventListener('click', async ({ target }) => {
  const { pattern } = target.dataset
  const plan = await write('POST', 'purge', { pattern, dryRun: true })
  if (!plan) return
  const dialog = $('#confirm')
  $('p', dialog).textContent = plan.images.length === 0
    ? (plan.pinned.length > 0 ? 'It is pinned, and stays.' : 'Nothing of it is stored.')
    : 'Would remove ' + plan.images.map(({ image }) => image).join(', ') + ': ' +
      plan.objects + ' objects, ' + size(plan.bytes) + '.'
  $('button.danger', dialog).hidden = plan.images.length === 0
  dialog.returnValue = ''
  dialog.addEventListener('close', async () => {
    if (dialog.returnValue !== 'ok') return
    const done = await write('POST', 'purge', { pattern, dryRun: false })
    if (done) { say('removed ' + done.objects + ' objects, ' + size(done.bytes)); $('#purge').disabled = true }
  }, { once: true })
  dialog.showModal()
})
for (const [id, method, done] of [['#pin', 'PUT', 'pinned '], ['#unpin', 'DELETE', 'unpinned ']]) {
  $(id)?.addEventListener('click', async ({ target }) => {
    const answer = await write(method, 'pins', { pattern: target.dataset.pattern })
    if (answer) say(done + answer.pattern)
  })
}
`
