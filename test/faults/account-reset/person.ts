/**
 * A browser at one of the servers: it signs in step by step, opens account pages, and checks which
 * access remains.
 */
import { URI } from 'otpauth'
import type { Browser, Page } from '../../support/browser.ts'
import { createBrowser, formsOf } from '../../support/browser.ts'
import type { StartedProcess } from '../../support/processes.ts'
import { waitFor } from '../../support/wait.ts'
import { createDemo } from '../demo.ts'
import type { Person, Setup } from './setup.ts'
import { newPassword, oldPassword } from './setup.ts'

/** `codes`: recovery codes of the account, used one by one. */
export type Credentials = Readonly<{ email: string; password: string; codes?: string[] }>

/** The results of one sign-in at the demo client so far. */
export type Visitor = {
  readonly at: StartedProcess
  readonly browser: Browser
  readonly credentials: Credentials
  tokens?: { access_token: string; refresh_token: string }
}

type StepName = 'login' | 'factor' | 'consent' | 'account'

/** The step that the page asks for; undefined when it asks for none. */
const stepOf = (page: Page): StepName | undefined =>
  formsOf(page)
    .map(({ action }) => /^\/interaction\/[\w-]+\/(login|factor|consent|account)$/.exec(new URL(action).pathname)?.[1])
    .find((step) => step !== undefined) as StepName | undefined

export type People = ReturnType<typeof createPeople>

export function createPeople({ issuer, query, mailbox }: Setup) {
  const demo = createDemo({ issuer })

  /**
   * On a loaded machine a server refuses to hash (503) and does nothing else, so the form is sent
   * again.
   */
  function browserAt({ url }: StartedProcess): Browser {
    const reach = (target: string) => (target.startsWith(issuer) ? url + target.slice(issuer.length) : target)
    const browser = createBrowser({ reach })
    const submit: Browser['submit'] = async (...form) => {
      const first = await browser.submit(...form)
      if (first.status !== 503) return first
      const again = async () => {
        const page = await browser.submit(...form)
        return page.status !== 503 && page
      }
      return waitFor(again, { what: 'a server that has time to hash' })
    }
    return { ...browser, submit }
  }

  /** Sends the form of one step and returns the answer unchanged. */
  function answer(browser: Browser, page: Page, step: StepName, { email, password, codes = [] }: Credentials) {
    if (step === 'login') return browser.submit(page, '/login', { email, password })
    if (step === 'factor') {
      return browser.submit(page, '/factor', { method: 'recovery_code', code: codes.pop() ?? '' })
    }
    return browser.submit(page, `/${step}`)
  }

  /**
   * Answers the pages until the step `until`, a page of another kind, an error, or the redirect to
   * the client.
   */
  async function goOn(browser: Browser, start: Page, credentials: Credentials, until?: StepName): Promise<Page> {
    let page = await browser.follow(start)
    for (let count = 0; count < 8; count += 1) {
      const step = stepOf(page)
      if (page.status >= 400 || page.next !== undefined || step === undefined || step === until) return page
      page = await browser.follow(await answer(browser, page, step, credentials))
    }
    return page
  }

  /** A browser at the login page of the demo client. */
  async function visit(at: StartedProcess, credentials: Credentials) {
    const browser = browserAt(at)
    const visitor: Visitor = { at, browser, credentials }
    const page = await browser.follow(await browser.get(await demo.authorizeUrl({ scope: 'openid offline_access' })))
    return { visitor, page }
  }

  /** From any page of the interaction to the tokens, as far as the server allows. */
  async function finish(visitor: Visitor, start: Page): Promise<void> {
    const { next } = await goOn(visitor.browser, start, visitor.credentials)
    const code = next === undefined ? null : new URL(next).searchParams.get('code')
    if (code === null) return
    const { status, body } = await demo.exchange(visitor.at, code)
    if (status === 200) visitor.tokens = body
  }

  /** Whether the session opens the account page. */
  async function isSignedIn({ browser }: Pick<Visitor, 'browser'>): Promise<boolean> {
    return (await browser.get(`${issuer}/account`)).status === 200
  }

  /** Whether a session or a token of the visitor still gives access. */
  async function hasAccess(visitor: Visitor): Promise<boolean> {
    const { at, tokens } = visitor
    if (await isSignedIn(visitor)) return true
    if (!tokens) return false
    if ((await demo.userinfo(at, tokens.access_token)).status === 200) return true
    return (await demo.refresh(at, tokens.refresh_token)).status === 200
  }

  /** Opens a page of the account, and signs in when asked. */
  async function openPage(browser: Browser, path: string, credentials: Credentials): Promise<Page> {
    const page = await goOn(browser, await browser.get(issuer + path), credentials)
    if (page.status === 200 && new URL(page.url).pathname === path) return page
    throw new Error(`${path} did not open: ${page.status} ${page.url}\n${page.body.slice(0, 2000)}`)
  }

  /** The current password where the page asks for it. */
  const proofOn = ({ body }: Page, currentPassword: string): Record<string, string> =>
    body.includes('name="currentPassword"') ? { currentPassword } : {}

  /** Calls `ask` and returns the link to `path` from the resulting email. */
  async function emailedLink(email: string, path: string, ask: () => Promise<unknown>): Promise<string> {
    const emailLinks = () => linksTo(email).filter((link) => new URL(link).pathname === path)
    const before = emailLinks().length
    await ask()
    // Emails arrive in any order: this one is identified by its link.
    await waitFor(() => emailLinks().length > before, { what: `a link to ${path}` })
    return emailLinks().at(-1)!
  }

  const linksTo = (email: string): string[] =>
    mailbox.to(email).flatMap(({ link }) => (link === undefined ? [] : [link]))

  const recoveryLink = (at: StartedProcess, { email }: Person): Promise<string> =>
    emailedLink(email, '/recover/password', async () => {
      const browser = browserAt(at)
      await browser.submit(await browser.get(`${issuer}/recover`), '/recover', { email })
    })

  /** Returns the form of a recovery, ready to be sent. */
  async function openRecovery(at: StartedProcess, link: string) {
    const browser = browserAt(at)
    const page = await browser.get(link)
    return async (onEnded?: () => Promise<void>): Promise<void> => {
      const { status, body } = await browser.submit(page, '/recover/password', { password: newPassword })
      // The earlier operation was a reset too and has revoked the link, so the user requests
      // another one.
      if (status === 400 && onEnded) return onEnded()
      if (status !== 200) throw new Error(`the recovery was refused: ${status}\n${body.slice(0, 2000)}`)
    }
  }

  const prepareRecovery = async (at: StartedProcess, person: Person) => {
    const recover = await openRecovery(at, await recoveryLink(at, person))
    return () => recover()
  }

  /** The same where the attack itself is a reset: uses another link when the attack came first. */
  const prepareRecoveryAgain = async (at: StartedProcess, person: Person) => {
    const recover = await openRecovery(at, await recoveryLink(at, person))
    return () => recover(async () => (await prepareRecovery(at, person))())
  }

  const sessionCookie = async (browser: Browser): Promise<string | undefined> =>
    (await browser.jar.getCookies(issuer)).find(({ key }) => key.endsWith('session'))?.value

  /**
   * The user's browser on the password page: the form, ready to be sent, and whether the session
   * continued as it should.
   */
  async function preparePasswordChange(browser: Browser, credentials: Credentials) {
    const page = await openPage(browser, '/account/password', credentials)
    const before = await sessionCookie(browser)
    return {
      change: async (): Promise<void> => {
        const fields = { ...proofOn(page, credentials.password), password: newPassword }
        const { status, body } = await browser.submit(page, '/account/password', fields)
        if (status !== 303) throw new Error(`the password change was refused: ${status}\n${body.slice(0, 2000)}`)
      },
      isSessionRenewed: async (): Promise<boolean> =>
        (await isSignedIn({ browser })) && (await sessionCookie(browser)) !== before,
    }
  }

  /** The page that offers an authenticator app, and a code for it. */
  async function openApp(browser: Browser, credentials: Credentials) {
    const page = await openPage(browser, '/account/factors/app', credentials)
    const uri = /href="(otpauth:[^"]*)"/.exec(page.body)![1]!.replaceAll('&amp;', '&').replaceAll('&#38;', '&')
    return () => browser.submit(page, '/account/factors/app', { code: URI.parse(uri).generate() })
  }

  /** Enrols an authenticator app. Returns its recovery codes. */
  async function enrolApp(browser: Browser, credentials: Credentials): Promise<string[]> {
    const add = await openApp(browser, credentials)
    const { body } = await add()
    const codes = [...body.matchAll(/<li><code>([^<]+)<\/code>/g)].map(([, code = '']) => code)
    if (codes.length === 0) throw new Error(`the app was not enrolled:\n${body.slice(0, 2000)}`)
    return codes
  }

  /** Whether the account's newest event of kind `action` is after the newest of kind `reset`. */
  async function isAfter({ id }: Person, action: string, reset: string): Promise<boolean> {
    const newest = `SELECT max(sequence) FROM audit_event WHERE subject_id = $1 AND outcome = 'success' AND action =`
    const rows = await query<{ is_after: boolean | null }>(`SELECT (${newest} $2) > (${newest} $3) AS is_after`, [
      id,
      action,
      reset,
    ])
    return rows[0]!.is_after === true
  }

  const knownBrowsers = async ({ id }: Person): Promise<string[]> =>
    (await query<{ key: Buffer }>('SELECT key FROM known_browser WHERE account_id = $1', [id])).map(({ key }) =>
      key.toString('hex'),
    )

  const isRemembered = async ({ id }: Person): Promise<boolean> =>
    (await query('SELECT FROM remembered_browser WHERE account_id = $1', [id])).length > 0

  /** Whether an emailed link still offers the attacker's email, or has made it the account's. */
  async function opensEmailChange(at: StartedProcess, { id }: Person, strangersEmail: string): Promise<boolean> {
    for (const link of linksTo(strangersEmail)) {
      const browser = browserAt(at)
      const page = await browser.get(link)
      if (page.status === 200 && page.url.includes('/email-change')) return true
    }
    return (await query('SELECT FROM account WHERE id = $1 AND email = $2', [id, strangersEmail])).length > 0
  }

  return {
    demo,
    isRemembered,
    opensEmailChange,
    browserAt,
    answer,
    goOn,
    visit,
    finish,
    isSignedIn,
    hasAccess,
    openPage,
    proofOn,
    emailedLink,
    recoveryLink,
    prepareRecovery,
    prepareRecoveryAgain,
    preparePasswordChange,
    openApp,
    enrolApp,
    isAfter,
    knownBrowsers,
    withOldPassword: ({ email }: Person): Credentials => ({ email, password: oldPassword }),
  }
}
