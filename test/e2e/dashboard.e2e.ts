/** The dashboard in Chromium: what it shows, that it is live, who may purge, and that it is safe and accessible. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import axe from 'axe-core'
import { hashSync } from 'bcryptjs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call, RawClient } from '../support/raw-client.ts'
import { tempFolder, type TempFolder } from '../support/temp-folder.ts'

const TOKEN = 'a-token-of-many-characters'
const IMAGES = 300
/** With both that a tag pointed to. */
const STORED = IMAGES + 2
const PAGES = [
  '',
  'images',
  'image?image=well.example/team/app0:1',
  'image?image=well.example/team/moved:latest',
  'transfers',
  'savings',
  'audit',
]
const EVIL = '<script>alert(1)</script>'
const login = [`Authorization: Basic ${btoa('ci:right')}`]
/** Where a person looks at the pictures; the folder of the test if left out. */
const pictures = process.env['SCREENSHOTS']

let folder: TempFolder
let well: FakeUpstream
let gone: FakeUpstream
let proxy: Proxy
let browser: Browser
/** What a page must never cause. */
const violations: string[] = []

before(async () => {
  folder = await tempFolder()
  well = await fakeUpstream({ bytesPerSecond: 2_000_000 })
  gone = await fakeUpstream()
  const users = join(folder.path, 'users')
  await writeFile(users, `ci:${hashSync('right', 4)}\n`)
  proxy = await startProxy({
    upstream: well,
    folder: folder.path,
    config: {
      publicUpstreams: false,
      access: { htpasswd: users },
      admin: { host: '127.0.0.1', port: 0, token: TOKEN },
      upstreams: { 'well.example': { url: well.url }, 'gone.example': { url: gone.url } },
      defaultUpstream: 'well.example',
      cache: {
        tags: [{ match: 'latest', fresh: '0s' }],
        coolDown: [{ match: 'well.example/**:latest', for: '3d' }],
      },
    },
  })
  for (let i = 0; i < IMAGES; i++) {
    const upstream = i % 3 === 0 ? gone : well
    const name = i % 3 === 0 ? 'gone.example' : 'well.example'
    const layer = blobOf(100 + i, i + 1)
    upstream.addBlob(layer.bytes)
    well.addManifest(`team/app${i}`, '1', manifestOf([layer.bytes]), OCI_MANIFEST)
    upstream.addManifest(`team/app${i}`, '1', manifestOf([layer.bytes]), OCI_MANIFEST)
    const path = i === 0 ? 'well.example' : name
    const { status } = await call(proxy.port, 'GET', `/v2/${path}/team/app${i}/manifests/1`, login)
    assert.equal(status, 200)
  }
  for (const layer of ['one', 'two']) {
    const { bytes } = blobOf(100, layer.length + layer.charCodeAt(0))
    well.addManifest('team/moved', 'latest', manifestOf([bytes]), OCI_MANIFEST)
    await call(proxy.port, 'GET', '/v2/well.example/team/moved/manifests/latest', login)
  }
  await gone.stop()
  for (let i = 0; i < 8; i++) await call(proxy.port, 'GET', `/v2/gone.example/other${i}/manifests/1`, login)
  await call(proxy.port, 'GET', '/v2/', [`Authorization: Basic ${btoa(`${EVIL}:wrong`)}`])
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
})
after(async () => {
  await browser.close()
  await proxy[Symbol.asyncDispose]()
  await Promise.all([well, gone].map((upstream) => upstream[Symbol.asyncDispose]()))
  await folder[Symbol.asyncDispose]()
})

async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ baseURL: `${proxy.adminUrl}/`, ...options })
  const page = await context.newPage()
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) violations.push(message.text())
  })
  page.on('pageerror', (error) => void violations.push(String(error)))
  page.on('dialog', (dialog) => {
    violations.push(`dialog ${dialog.message()}`)
    void dialog.dismiss()
  })
  assert.equal((await page.goto(path))?.status(), 200)
  return page
}

const isStored = async (image: string): Promise<boolean> => {
  const response = await fetch(`${proxy.adminUrl}/api/v1/images?pattern=${image}`)
  const { images } = (await response.json()) as { readonly images: readonly unknown[] }
  return images.length > 0
}

suite('the dashboard in Chromium', () => {
  test('the overview shows both upstreams, one of them down, and what to do', async () => {
    const page = await open('')
    const row = (name: string) => page.getByRole('row', { name })
    assert.match(await row('well.example').innerText(), /up/)
    assert.match(
      await row('gone.example').innerText(),
      /out[\s\S]*refuses connections[\s\S]*check upstreams\.gone/,
    )
    const happened = await page.locator('#events').innerText()
    assert.match(happened, /gone\.example refuses connections: [^\n]*; it gets no requests/)
    assert.match(happened, /well\.example\/team\/moved:latest moved from \w{12} to \w{12}/)
    await page.context().close()
  })

  test('the overview draws what there was to do, with numbers', async () => {
    const page = await open('')
    await page.locator('#traffic canvas').nth(1).waitFor()
    assert.equal(await page.locator('#traffic canvas').count(), 2)
    const requests = page.locator('[data-chart=requests]')
    const { width, height } = (await requests.boundingBox())!
    await requests.hover({ position: { x: width / 2, y: height / 3 } })
    assert.match(await requests.locator('.u-legend').innerText(), /without upstream[\s\S]*upstream/)
    const drawn = await page.evaluate(`(() => {
      const canvas = document.querySelector('#traffic canvas')
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      return new Set(new Uint32Array(data.buffer)).size
    })()`)
    assert.ok(Number(drawn) > 3, `${String(drawn)} colours`)
    await page.getByText('By hour, as a table').click()
    const [, hour] = await page
      .getByRole('region', { name: 'Traffic by hour' })
      .getByRole('row')
      .allInnerTexts()
    assert.match(hour!, /^\d{4}-\d\d-\d\d \d\d\t[1-9]\d*\t/)
    await page.context().close()
  })

  test('images: all of them, found, sorted, and the page of one by the keyboard', async () => {
    const page = await open('images')
    assert.match(await page.locator('main').innerText(), new RegExp(`${STORED} images`))
    assert.equal(await page.locator('tbody tr').count(), STORED)
    await page.getByLabel('Pattern').fill('gone.example/**')
    await page.getByLabel('Sorted by').selectOption('size')
    await page.getByRole('button', { name: 'Search' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(/pattern=gone/)
    assert.equal(await page.locator('tbody tr').count(), IMAGES / 3 - 1)
    await page.getByRole('link', { name: 'gone.example/team/app99:1' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(/image\?image=/)
    const text = await page.locator('main').innerText()
    assert.match(text, /gone\.example\/team\/app99:1/)
    assert.match(text, /refuses connections|works: served from the store/)
    await page.context().close()
  })

  test('a running download moves', async () => {
    const page = await open('transfers')
    const layer = blobOf(8_000_000, 999)
    well.addBlob(layer.bytes)
    using client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/well.example/team/app1/blobs/${layer.digest}`, login)
    const progress = page.locator('progress')
    const value = () => progress.evaluate((bar) => (bar as unknown as { value: number }).value)
    await progress.waitFor({ timeout: 20_000 })
    const before = await value()
    await eventually(async () => (await progress.count()) === 0 || (await value()) > before, 20_000)
    await eventually(async () => page.getByText('No downloads are running.').isVisible(), 30_000)
    await page.context().close()
  })

  test('purge shows what it would remove, and needs the token', async () => {
    const image = 'well.example/team/app1:1'
    const page = await open(`image?image=${image}`)
    await page.getByRole('button', { name: 'Purge…' }).click()
    await page.getByRole('dialog', { name: 'Admin token' }).getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('the admin token is needed').waitFor()
    assert.ok(await isStored(image))

    await page.getByRole('button', { name: 'Purge…' }).click()
    await page.getByLabel('Admin token').getByRole('textbox').fill('a-wrong-token-of-characters')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('dialog', { name: 'Admin token' }).waitFor()
    assert.ok(await isStored(image))
    await page.getByLabel('Admin token').getByRole('textbox').fill(TOKEN)
    await page.getByRole('button', { name: 'Log in' }).click()
    const plan = page.getByRole('dialog', { name: 'Purge' })
    await plan.waitFor()
    assert.match(await plan.innerText(), /Would remove well\.example\/team\/app1:1: \d objects, /)
    assert.ok(await isStored(image))
    await plan.getByRole('button', { name: 'Purge' }).click()
    await page.getByText(/removed \d objects/).waitFor()
    assert.equal(await isStored(image), false)

    await page.goto('image?image=well.example/team/app2:1')
    await page.getByRole('button', { name: 'Pin', exact: true }).click()
    await page.getByText('pinned well.example/team/app2:1').waitFor()
    await page.reload()
    await page.getByText('pinned by well.example/team/app2:1').waitFor()
    await page.context().close()
  })

  test('what others chose as a name is text', async () => {
    const page = await open('audit')
    assert.ok((await page.locator('main').innerText()).includes(EVIL))
    await page.goto(`images?pattern=${encodeURIComponent(EVIL)}`)
    assert.equal(await page.getByLabel('Pattern').inputValue(), EVIL)
    await page.context().close()
  })

  test('reads without a script', async () => {
    for (const path of PAGES) {
      const page = await open(path, { javaScriptEnabled: false })
      assert.ok((await page.locator('main').innerText()).length > 10, path)
      assert.equal(await page.getByRole('button', { name: 'Purge…' }).count(), 0)
      await page.context().close()
    }
  })

  for (const [name, options] of [
    ['light', { colorScheme: 'light', viewport: { width: 1280, height: 900 } }],
    ['dark', { colorScheme: 'dark', viewport: { width: 1280, height: 900 } }],
    ['phone', { colorScheme: 'light', viewport: { width: 360, height: 740 } }],
  ] as const) {
    test(`accessible, and within the screen: ${name}`, async () => {
      const shots = pictures ?? join(folder.path, 'pictures')
      await mkdir(shots, { recursive: true })
      for (const [i, path] of PAGES.entries()) {
        const page = await open(path, options)
        await page.evaluate(axe.source)
        const found = await page.evaluate(
          `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`,
        )
        assert.deepEqual(found, [], path)
        const width = await page.evaluate('document.documentElement.scrollWidth')
        assert.ok(Number(width) <= options.viewport.width, `${path} is ${String(width)} wide`)
        await page.screenshot({ path: join(shots, `${name}-${i}.png`) })
        await page.context().close()
      }
    })
  }

  test('no page broke its policy', () => assert.deepEqual(violations, []))
})
