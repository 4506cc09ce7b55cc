/**
 * The pages in a real browser: no axe violations, nothing too wide, and nothing that our own policy
 * refuses.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import type { TestServer } from '../http/support.ts'
import { pageRoute, startTestServer } from '../http/support.ts'
import { describeWith, getProgram } from '../support/programs.ts'
import { sentence } from '../support/sentences.ts'
import { launchChromium } from './chromium.ts'
import { samples } from './samples.ts'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const issuer = 'http://localhost:3000'

let server: TestServer
let browser: Browser
/** The sample pages are opened one after the other in it: a new page starts a process. */
let shared: Awaited<ReturnType<typeof openPage>>

type Look = { colorScheme?: 'light' | 'dark'; javaScriptEnabled?: boolean; forcedColors?: 'active' }

const newContext = ({ colorScheme = 'light', javaScriptEnabled = true, forcedColors }: Look = {}) =>
  browser.newContext({ colorScheme, javaScriptEnabled, forcedColors, reducedMotion: 'reduce' })

/** A page whose errors are recorded, in a new context. No request leaves this machine. */
async function openPage(look: Look = {}) {
  const context = await newContext(look)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  return { page, complaints }
}

const widths = [320, 390, 1280]
const isTooWide = (page: Page) => page.evaluate('document.documentElement.scrollWidth > innerWidth') as Promise<boolean>
async function axe(page: Page): Promise<string[]> {
  // As a file of the server, the browser keeps its compiled form from page to page.
  if (!(await page.evaluate('"axe" in window'))) await page.addScriptTag({ url: '/axe.js' })
  const { violations, incomplete } = (await page.evaluate(
    'axe.run(document, { resultTypes: ["violations"] })',
  )) as AxeResults
  const doubtful = incomplete.filter(({ id }) => id === 'color-contrast')
  return [...violations, ...doubtful].flatMap(({ id, nodes }) =>
    nodes.map(({ html, any }) => `${id}: ${html} ${any[0]?.message}`),
  )
}

const stayed = samples.filter(([, page]) => page !== 'continue' && page !== 'form-post').map(([name]) => name)

describeWith('chromium', 'in Chromium', () => {
  beforeAll(async () => {
    server = await startTestServer({
      issuer,
      routes: ({ views }) => samples.map(([name, page, locals]) => pageRoute(views, `/${name}`, page, locals as never)),
      engine: [
        async (ctx, next) => {
          if (ctx.path === '/next-page') ctx.body = `arrived ${ctx.search}`
          else if (ctx.path === '/axe.js') {
            ctx.set('Cache-Control', 'max-age=3600')
            ctx.type = 'js'
            ctx.body = axeSource
          } else await next()
        },
      ],
    })
    browser = await launchChromium(getProgram('chromium'))
    shared = await openPage()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  test.each(stayed)(
    '%s: axe finds no problem in light and dark colours, and the page fits every width',
    async (name) => {
      const { page, complaints } = shared
      complaints.length = 0
      await page.emulateMedia({ colorScheme: 'light' })
      await page.goto(`${server.origin}/${name}`)
      for (const width of widths) {
        await page.setViewportSize({ width, height: 700 })
        expect(await isTooWide(page)).toBe(false)
      }
      expect(await axe(page)).toEqual([])
      await page.setViewportSize({ width: 320, height: 700 })
      await page.emulateMedia({ colorScheme: 'dark' })
      expect(await axe(page)).toEqual([])
      expect(complaints).toEqual([])
    },
  )

  test.each(['continue', 'form-post'])('%s: axe finds no problem while the page waits', async (name) => {
    const { page } = await openPage()
    await page.route('**/next-page*', (route) => route.fulfill({ status: 204 }))
    await page.route('**/form-post.*.js', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }))
    await page.goto(`${server.origin}/${name}`)
    expect(await axe(page)).toEqual([])
    await page.context().close()
  })

  test('without JavaScript the page that redirects still does', async () => {
    const { page } = await openPage({ javaScriptEnabled: false })
    await page.goto(`${server.origin}/continue`)
    await page.waitForURL('**/next-page?code=1&state=2')
    expect(await page.textContent('body')).toContain('arrived ?code=1&state=2')
    await page.context().close()
  })

  test('the form_post page submits its form by script, and by its button without JavaScript', async () => {
    for (const javaScriptEnabled of [true, false]) {
      const { page, complaints } = await openPage({ javaScriptEnabled })
      let body: string | null = null
      await page.route('https://lanterns.example.com/**', (route) => {
        body = route.request().postData()
        return route.fulfill({ body: 'callback' })
      })
      await page.goto(`${server.origin}/form-post`, { waitUntil: 'commit' })
      if (!javaScriptEnabled) await page.click('button')
      await page.waitForURL('https://lanterns.example.com/callback')
      expect(Object.fromEntries(new URLSearchParams(body ?? ''))).toEqual({
        code: '"><script>alert(1)</script>',
        state: 'x',
      })
      expect(complaints).toEqual([])
      await page.context().close()
    }
  })

  test('the login page works by keyboard: the first empty field has the focus, and every control is reached', async () => {
    const { page } = await openPage()
    const focused = () => page.evaluate('document.activeElement.id || document.activeElement.textContent.trim()')
    await page.goto(`${server.origin}/login-error`)
    expect(await focused()).toBe('password')
    await page.goto(`${server.origin}/login`)
    const order = [await focused()]
    for (let step = 0; step < 3; step += 1) {
      await page.keyboard.press('Tab')
      order.push(await focused())
    }
    expect(order).toEqual(['email', 'password', sentence('pages.login.submit'), sentence('pages.cancel.toApp')])
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    await page.context().close()
  })

  test('with forced colours every button keeps its outline', async () => {
    const { page } = await openPage({ forcedColors: 'active' })
    await page.goto(`${server.origin}/consent`)
    const widthsOfBorders = await page.evaluate(
      '[...document.querySelectorAll("button")].map((b) => getComputedStyle(b).borderTopWidth)',
    )
    expect(widthsOfBorders).toEqual(['1px', '1px', '1px'])
    await page.context().close()
  })
})
