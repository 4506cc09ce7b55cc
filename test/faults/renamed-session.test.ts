/**
 * A renamed session stays renamed: polling with the old cookie gives an attacker nothing, with two
 * processes.
 */
import { createBrowser } from '../support/browser.ts'
import { createRelyingParty, testPassword } from '../support/latchkey.ts'
import type { Servers, StartedProcess } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { createDemo } from './demo.ts'
import type { RunningServers } from './stores.ts'
import { openOnPostgres, openOnPostgresWithRedis } from './stores.ts'

const rounds = 6
const thieves = 6

type Demo = ReturnType<typeof createDemo>
type Stolen = Readonly<{ cookies: string; servers: Servers; demo: Demo }>

/** The attacker's result: session ids that open an account page, and refresh tokens that work. */
type Loot = { sessions: number; tokens: number }

/** Requests codes with the stolen cookie at both processes, until the user's operation is over. */
async function poll({ cookies, servers, demo }: Stolen, isOver: () => boolean) {
  const codes: { code: string; at: StartedProcess }[] = []
  const ids = new Set<string>([cookies])
  const host = new URL(servers.issuer).host
  async function once(at: StartedProcess, url: string): Promise<void> {
    const page = await createBrowser().get(url, { Cookie: cookies, Host: host })
    const code = page.next && new URL(page.next).searchParams.get('code')
    if (code) codes.push({ code, at })
    const id = page.headers.getSetCookie().filter((cookie) => cookie.startsWith('latchkey.session'))
    if (id.length > 0) ids.add(id.map((cookie) => cookie.split(';')[0]).join('; '))
  }
  await Promise.all(
    Array.from({ length: thieves }, async (_, index) => {
      const at = servers.servers[index % servers.servers.length]!
      const url = await demo.authorizeUrl({ scope: 'openid offline_access', prompt: 'none' })
      do await once(at, url.replace(servers.issuer, at.url))
      while (!isOver())
      // And once more, after the user has the answer.
      await once(at, url.replace(servers.issuer, at.url))
    }),
  )
  return { codes, ids: [...ids] }
}

async function lootOf({ codes, ids }: Awaited<ReturnType<typeof poll>>, { servers, demo }: Stolen): Promise<Loot> {
  let tokens = 0
  for (const { code, at } of codes) {
    const exchanged = await demo.exchange(at, code)
    if (exchanged.status === 200 && (await demo.refresh(at, exchanged.body.refresh_token)).status === 200) tokens += 1
  }
  let sessions = 0
  for (const cookies of ids) {
    const page = await createBrowser().get(`${servers.issuer}/account`, { Cookie: cookies })
    if (page.status === 200) sessions += 1
  }
  return { sessions, tokens }
}

function suite(open: () => Promise<RunningServers>) {
  let running: RunningServers
  let servers: Servers
  beforeAll(async () => {
    running = await open()
    servers = running.servers
  })
  afterAll(() => running?.close())

  let password = testPassword

  /** The user's browser, just signed in, with consent, and the attacker's copy of it. */
  async function signedIn() {
    const demo = createDemo(servers)
    const { browser } = demo.rp
    await demo.rp.authorize(
      { client_id: 'demo-web', redirect_uri: 'http://localhost:3001/callback', scope: 'openid offline_access' },
      { password },
    )
    const cookies = (await browser.jar.getCookies(servers.issuer))
      .filter(({ key }) => key.startsWith('latchkey.session'))
      .map((cookie) => cookie.cookieString())
      .join('; ')
    expect((await createBrowser().get(`${servers.issuer}/account`, { Cookie: cookies })).status).toBe(200)
    return { demo, browser, stolen: { cookies, servers, demo } }
  }

  async function robbedWhile(change: (browser: Demo['rp']['browser']) => Promise<{ status: number }>): Promise<Loot> {
    const { browser, stolen } = await signedIn()
    let isOver = false
    const polled = poll(stolen, () => isOver)
    const answer = await change(browser).finally(() => {
      isOver = true
    })
    const found = await polled
    expect(answer.status).toBe(303)
    // The user continues under the new session id.
    expect((await browser.get(`${servers.issuer}/account`)).status).toBe(200)
    return lootOf(found, stolen)
  }

  async function inRounds(change: (browser: Demo['rp']['browser'], round: number) => Promise<{ status: number }>) {
    const total = { sessions: 0, tokens: 0 }
    for (let round = 0; round < rounds; round += 1) {
      const { sessions, tokens } = await robbedWhile((browser) => change(browser, round))
      total.sessions += sessions
      total.tokens += tokens
    }
    return total
  }

  test(`a new password, ${rounds} times, while ${thieves} attackers use the session at both processes`, async () => {
    const loot = await inRounds(async (browser, round) => {
      const page = await browser.get(`${servers.issuer}/account/password`)
      const next = `the kettle sings at ${round} o'clock`
      const answer = await browser.submit(page, '/account/password', { currentPassword: password, password: next })
      if (answer.status === 303) password = next
      return answer
    })
    expect(loot).toEqual({ sessions: 0, tokens: 0 })
  })

  test(`"sign out everywhere else", ${rounds} times`, async () => {
    const loot = await inRounds(async (browser) => {
      const page = await browser.get(`${servers.issuer}/account/sessions`)
      return browser.submit(page, '/account/sessions/end-others')
    })
    // Offline access of the session continues, as it does at a logout. The old session id opens
    // nothing.
    expect(loot.sessions).toBe(0)
  })

  test(`another sign-in in the same session, ${rounds} times`, async () => {
    const loot = await inRounds(async (browser) => {
      const rp = createRelyingParty(servers, browser)
      const parameters = { client_id: 'demo-web', redirect_uri: 'http://localhost:3001/callback', prompt: 'login' }
      const { code } = await rp.authorize(parameters, { password })
      return { status: code === undefined ? 400 : 303 }
    })
    expect(loot.sessions).toBe(0)
  })
}

describeWith('postgres', 'on a Postgres server', () => suite(() => openOnPostgres(2)))
describeWith(['postgres', 'redis-server'], 'on a Postgres server with Redis', () =>
  suite(() => openOnPostgresWithRedis(2)),
)
