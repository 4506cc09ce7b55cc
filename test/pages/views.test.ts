/**
 * The text of the pages: from the catalogue, escaped, and with a client's words where they cannot
 * look like ours.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { TestServer } from '../http/support.ts'
import { pageRoute, startTestServer } from '../http/support.ts'
import { says } from '../support/sentences.ts'
import { hostileNames, samples } from './samples.ts'

const folder = new URL('../../views/', import.meta.url).pathname
const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' }
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => escapes[character] ?? '')

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    routes: ({ views }) => samples.map(([name, page, locals]) => pageRoute(views, `/${name}`, page, locals as never)),
  })
})
afterAll(() => server.close())

const html = async (name: string) => (await fetch(`${server.origin}/${name}`)).text()
const names = samples.map(([name]) => name)

describe('every page', () => {
  test.each(names)('%s has its language, its title and one heading', async (name) => {
    const page = await html(name)
    expect(page).toMatch(/^<!doctype html>\s*<html lang="en">/)
    expect(page).toMatch(/<title>[^<]{7,60} · Latchkey<\/title>/)
    expect(page.match(/<h1>/g)).toHaveLength(1)
    expect(page).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">')
    expect(page).not.toMatch(/undefined|\[object|NaN|&amp;lt;|&amp;#/)
  })

  test.each(names)('%s has no script, style or handler in it, and loads only our own files', async (name) => {
    const page = await html(name)
    expect(page).not.toMatch(/<style|<script(?![^>]* src="\/assets\/)|<[^>]* (style|on\w+)=|javascript:/i)
    const loaded = [...page.matchAll(/<(?:link|script|img|iframe)\b[^>]*?(?:href|src)="([^"]*)"/g)].map(
      ([, url]) => url,
    )
    expect(loaded.filter((url) => !url?.startsWith('/assets/'))).toEqual([])
    for (const url of loaded) expect((await fetch(server.origin + url)).status).toBe(200)
  })

  test.each(names)('%s has a label for every field and a token in every form to this server', async (name) => {
    const page = await html(name)
    for (const [input] of page.matchAll(/<input\b(?![^>]*type="hidden")[^>]*>/g)) {
      const id = / id="([^"]+)"/.exec(input)?.[1]
      expect(page).toContain(`<label for="${id}">`)
      // WCAG 2.2 1.3.5. A browser cannot fill in a recovery code.
      if (input.includes('type="checkbox"') || id === 'recovery-code') continue
      expect(input).toMatch(
        / autocomplete="(username( webauthn)?|current-password|new-password|name|one-time-code|email|given-name|family-name|nickname|bday|off|language|url|tel)"/,
      )
    }
    const forms = [...page.matchAll(/<form\b[\s\S]*?<\/form>/g)].map(([form]) => form)
    // The form_post answer is sent to the client and must not carry our token. The engine checks
    // the logout form.
    const field = name === 'form-post' ? undefined : name === 'logout' ? 'name="xsrf"' : 'name="csrf"'
    for (const form of forms) {
      expect(form).toMatch(/^<form[^>]* method="post"/)
      if (field) expect(form).toContain(field)
      else expect(form).not.toMatch(/name="(csrf|xsrf)"/)
    }
  })
})

describe('the name of a client', () => {
  const cases = Object.entries(hostileNames).flatMap(([key, name]) => [
    [`login-${key}`, name],
    [`consent-${key}`, name],
  ])
  test.each(cases)('%s: is shown escaped, only in the client box beside the host', async (page = '', name = '') => {
    const text = await html(page)
    const box = /<dl class="client">[\s\S]*?<\/dl>/.exec(text)?.[0] ?? ''
    expect(box).toContain(`<dd class="client-name"><bdi>${escaped(name)}</bdi></dd>`)
    expect(box).toContain('<bdi class="host">lanterns.example.com</bdi>')
    const outside = text.replace(box, '').replace(/<p class="account">[\s\S]*?<\/p>/, '')
    expect(outside).not.toContain(escaped(name))
    expect(outside).not.toContain(name)
  })
})

test('the consent page describes what is shared, with which host, and for how long', async () => {
  const page = await html('consent')
  for (const key of ['scope.email', 'scope.address', 'scope.roles', 'claim.birthdate']) {
    expect(page).toMatch(says(`pages.consent.${key}`))
  }
  expect(page).toMatch(/<bdi class="data">Lantern shop<\/bdi> <bdi class="host">http:\/\/localhost:3003\/<\/bdi>/)
  expect(page).toContain('<li><bdi>See your orders</bdi></li>')
  expect(page).toContain('<li><bdi>api:write</bdi></li>')
  const goesTo = says('pages.consent.goesTo').source
  expect(page).toMatch(new RegExp(`${goesTo} <bdi class="host">lanterns\\.example\\.com</bdi>`))
  expect(page).toMatch(says('pages.consent.lastsOffline'))
  expect(await html('consent-short')).toMatch(says('pages.consent.lasts'))
  expect(await html('consent-short')).toContain('<bdi class="data">unheard_of</bdi>')
})

test('the website of a client is a link only with an http or https URL', async () => {
  expect(await html('consent')).toContain('<a href="https://lanterns.example.com/" rel="noopener noreferrer">')
  expect(await html('consent-short')).not.toContain('vbscript:')
})

test('a failed login keeps the address, names the field, and is announced', async () => {
  const page = await html('login-error')
  expect(page).toMatch(/<div class="problem" role="alert" id="problem">/)
  expect(page).toMatch(/<a href="#password">/)
  expect(page).toMatch(
    /<input id="email"[^>]* value="alice@example.com" aria-invalid="true" aria-describedby="problem">/,
  )
  expect(page).toMatch(/<input id="password"[^>]* aria-invalid="true" aria-describedby="problem" autofocus>/)
  expect(page).not.toMatch(/<input id="password"[^>]* value=/)
})

test('the page that redirects does so by refresh and by link, to the same URL', async () => {
  const page = await html('continue')
  expect(page).toContain('<meta http-equiv="refresh" content="0;url=/next-page?code=1&amp;state=2">')
  expect(page).toContain('<a class="button" href="/next-page?code=1&amp;state=2">')
})

test('the form_post page escapes its fields, and has a button', async () => {
  const page = await html('form-post')
  expect(page).toContain('<input type="hidden" name="code" value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;">')
  expect(page).toMatch(/<form class="stack" method="post" action="https:\/\/lanterns\.example\.com\/callback">/)
  expect(page).toContain('<button class="button" type="submit">')
})

describe('the files of the views', () => {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ejs'))
  const sources = files.map((name) => [name, readFileSync(folder + name, 'utf8')] as const)

  test.each(sources)('%s prints without escaping only includes from the folder of views', (_name, source) => {
    const raw = [...source.matchAll(/<%-[\s\S]*?%>/g)].map(([tag]) => tag)
    for (const tag of raw) expect(tag).toMatch(/^<%- include\('[a-z/-]+'[^%]*\) %>$/)
    expect(source).not.toMatch(/include\((?!')/)
  })

  const worded = /[\p{L}]{2,}/u
  const visible = ['alt', 'title', 'placeholder', 'aria-label', 'content', 'label']
  function wordsOutsideTheCatalogue(source: string): string[] {
    const printed = source.replace(/<%[\s\S]*?%>/g, '')
    const text = printed.replace(/<[^>]*>/g, ' ')
    const attributes = [...printed.matchAll(/<(?!meta)[^>]*>/g)].flatMap(([tag]) =>
      visible.map((name) => new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? ''),
    )
    return [...text.split(/\s+/), ...attributes].filter((word) => worded.test(word))
  }

  test.each(sources)('%s contains no text outside the catalogue', (_name, source) => {
    expect(wordsOutsideTheCatalogue(source)).toEqual([])
  })

  test('text outside the catalogue is reported', () => {
    expect(wordsOutsideTheCatalogue('<p>Hello <%= page.name %></p>')).toEqual(['Hello'])
    expect(wordsOutsideTheCatalogue('<img alt="A key">')).toEqual(['A key'])
  })
})
