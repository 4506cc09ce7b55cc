/**
 * A lowered lifetime applies to existing tokens at their next use; raising it reactivates none
 * (CVE-2025-11429).
 */
import type { ClientInput } from '../../src/clients/client.ts'
import type { SettingKey } from '../../src/settings/definitions.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { answerIn, days, hours, minutes } from './support.ts'

let server: Latchkey
let clients = 0
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const invalidGrant = { status: 400, body: { error: 'invalid_grant' } }
const lifetimes: readonly SettingKey[] = [
  'sessionAbsoluteSeconds',
  'sessionIdleSeconds',
  'refreshAbsoluteSeconds',
  'refreshIdleSeconds',
]

beforeAll(async () => {
  server = await startLatchkey()
})
afterEach(async () => {
  for (const key of lifetimes) await set(key, undefined)
})
afterAll(() => server.stop())

const set = (key: SettingKey, ms: number | undefined) =>
  server.parts.settings.set(key, ms === undefined ? undefined : ms / 1000, operator)

/** Alice, signed in at a new client that an administrator can reconfigure. */
async function party(settings: Partial<ClientInput> = {}) {
  clients += 1
  const clientId = `app-${clients}`
  const input = (more: Partial<ClientInput>): ClientInput & { clientId: string } => {
    const metadata = { client_name: 'App', redirect_uris: [callback], scope: 'openid' }
    return { clientId, kind: 'web', metadata, ...settings, ...more }
  }
  await server.addClient(input({ secret: webSecret }))
  const rp = createRelyingParty(server)
  const asClient = { client_id: clientId, client_secret: webSecret }
  const { code } = await rp.authorize({ client_id: clientId })
  const tokens = (await rp.exchange(code!, asClient)).body
  return {
    ...rp,
    tokens,
    refresh: (token: string) => rp.refresh(token, asClient),
    isActive: async (token: string) => (await rp.call('/introspect', { token, ...asClient })).body.active,
    become: (more: Partial<ClientInput>) => server.parts.clients.replace(input(more), operator),
    /** The response without any prompt. */
    silently: () => rp.authorize({ client_id: clientId, prompt: 'none' }),
    authorizeUrl: (parameters: Record<string, string> = {}) => rp.authorizeUrl({ client_id: clientId, ...parameters }),
  }
}

describe('a refresh token', () => {
  test('that was unused for longer than the lowered time is invalid, and stays invalid', async () => {
    const { tokens, refresh, isActive } = await party()
    server.clock.advance(hours(2))
    expect(await isActive(tokens.refresh_token)).toBe(true)
    await set('refreshIdleSeconds', hours(1))
    expect(await isActive(tokens.refresh_token)).toBe(false)
    expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
    await set('refreshIdleSeconds', days(14))
    expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
    expect(await isActive(tokens.refresh_token)).toBe(false)
  })

  test('is valid until the end of the lowered time, and not a second longer', async () => {
    const [first, second] = [await party(), await party()]
    await set('refreshIdleSeconds', hours(1))
    server.clock.advance(hours(1) - 1000)
    const turned = await first.refresh(first.tokens.refresh_token)
    expect(turned.status).toBe(200)
    server.clock.advance(1000)
    expect(await second.refresh(second.tokens.refresh_token)).toMatchObject(invalidGrant)
    expect((await first.refresh(turned.body.refresh_token)).status).toBe(200)
  })

  test('whose family is older than the lowered time is invalid, although the token itself is new', async () => {
    const { tokens, refresh } = await party()
    server.clock.advance(days(3))
    const turned = await refresh(tokens.refresh_token)
    server.clock.advance(minutes(1))
    await set('refreshIdleSeconds', days(1))
    await set('refreshAbsoluteSeconds', days(2))
    expect(await refresh(turned.body.refresh_token)).toMatchObject(invalidGrant)
  })

  test.each([{ refreshIdleSeconds: 3600 }, { refreshAbsoluteSeconds: 3600, refreshIdleSeconds: 3600 }])(
    'whose client gets %j is invalid, and stays invalid',
    async (lowered) => {
      const { tokens, refresh, become } = await party({ refreshIdleSeconds: 86_400 })
      server.clock.advance(hours(2))
      await become(lowered)
      expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
      await become({ refreshIdleSeconds: 86_400 })
      expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
    },
  )

  test('of a client with its own longer time stays valid', async () => {
    const { tokens, refresh } = await party({ refreshIdleSeconds: 86_400, refreshAbsoluteSeconds: 864_000 })
    server.clock.advance(hours(2))
    await set('refreshIdleSeconds', hours(1))
    await set('refreshAbsoluteSeconds', hours(1))
    expect((await refresh(tokens.refresh_token)).status).toBe(200)
  })

  test('that had expired does not become valid again when its time is raised', async () => {
    await set('refreshIdleSeconds', hours(1))
    const { tokens, refresh } = await party()
    server.clock.advance(hours(2))
    await set('refreshIdleSeconds', days(14))
    expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
  })

  test('that is repeated within its window gives the same token, and nothing once its family has expired', async () => {
    const { tokens, refresh } = await party()
    server.clock.advance(days(3))
    const turned = await refresh(tokens.refresh_token)
    await set('refreshIdleSeconds', days(2))
    expect((await refresh(tokens.refresh_token)).body.refresh_token).toBe(turned.body.refresh_token)
    await set('refreshAbsoluteSeconds', days(2))
    expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
    expect(await refresh(turned.body.refresh_token)).toMatchObject(invalidGrant)
  })

  test('that was spent still reveals a theft', async () => {
    const { tokens, refresh, userinfo } = await party()
    server.clock.advance(hours(3))
    const turned = await refresh(tokens.refresh_token)
    await set('refreshIdleSeconds', hours(1))
    server.clock.advance(minutes(1))
    expect((await userinfo(turned.body.access_token)).status).toBe(200)
    expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
    expect(await refresh(turned.body.refresh_token)).toMatchObject(invalidGrant)
    expect((await userinfo(turned.body.access_token)).status).toBe(401)
  })
})

describe('a refresh token that does not rotate', () => {
  const stays = { rotatesRefreshTokens: false }

  test('expires by its last use, before and after the change', async () => {
    const { tokens, refresh } = await party(stays)
    server.clock.advance(days(10))
    expect((await refresh(tokens.refresh_token)).status).toBe(200)
    server.clock.advance(days(2))
    await set('refreshIdleSeconds', days(3))
    expect((await refresh(tokens.refresh_token)).status).toBe(200)
    server.clock.advance(days(3) - 1000)
    expect((await refresh(tokens.refresh_token)).status).toBe(200)
    server.clock.advance(days(3))
    expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
  })

  test('is invalid when it was unused for longer, and stays invalid', async () => {
    const { tokens, refresh } = await party(stays)
    server.clock.advance(days(4))
    await set('refreshIdleSeconds', days(3))
    expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
    await set('refreshIdleSeconds', days(14))
    expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
  })

  test('expires by its last use near the end of its family too', async () => {
    const { tokens, refresh } = await party(stays)
    for (let day = 12; day <= 84; day += 12) {
      server.clock.advance(days(12))
      expect((await refresh(tokens.refresh_token)).status).toBe(200)
    }
    server.clock.advance(days(3))
    await set('refreshIdleSeconds', days(4))
    expect((await refresh(tokens.refresh_token)).status).toBe(200)
    server.clock.advance(days(2))
    expect((await refresh(tokens.refresh_token)).status).toBe(200)
  })
})

describe('a session', () => {
  test.each([
    ['sessionIdleSeconds', minutes(30)],
    ['sessionAbsoluteSeconds', minutes(45)],
  ] as const)('has expired at the authorization endpoint when %s is lowered, and stays expired', async (key, ms) => {
    const { silently } = await party()
    server.clock.advance(minutes(50))
    if (key === 'sessionAbsoluteSeconds') {
      expect(await silently()).toHaveProperty('code')
      await set('sessionIdleSeconds', ms)
    }
    await set(key, ms)
    expect((await silently()).error).toBe('login_required')
    await set('sessionAbsoluteSeconds', undefined)
    await set('sessionIdleSeconds', undefined)
    expect((await silently()).error).toBe('login_required')
  })

  test('stays valid while it is used within the lowered time', async () => {
    const { silently } = await party()
    await set('sessionIdleSeconds', minutes(30))
    for (let use = 0; use < 3; use += 1) {
      server.clock.advance(minutes(30) - 1000)
      expect(await silently()).toHaveProperty('code')
    }
    server.clock.advance(minutes(30))
    expect((await silently()).error).toBe('login_required')
  })

  test('that has expired gives no code to a resumed request', async () => {
    const { browser, authorizeUrl } = await party()
    const page = await browser.follow(await browser.get(await authorizeUrl({ prompt: 'consent' })))
    server.clock.advance(minutes(20))
    await set('sessionIdleSeconds', minutes(10))
    const resumed = await browser.follow(await browser.submit(page, '/consent'))
    expect(resumed.next ?? '').not.toContain('code=')
    expect(resumed.body).not.toMatch(/[?&]code=/)
    // The page that waits for another tab's cookie, at its last attempt.
    const last = await browser.get(`${page.url.replace('/interaction/', '/authorize/')}?again=8`)
    expect([last.status, last.next]).toEqual([400, undefined])
  })

  test('that has expired opens no account page, and is no longer listed', async () => {
    const [here, there] = [await party(), await party()]
    const alice = await server.parts.accounts.findByEmail('alice@example.com')
    const listed = async () => (await server.parts.revocation.listAccess(alice!.id)).sessions.length
    expect((await here.browser.get(`${server.issuer}/account`)).status).toBe(200)
    server.clock.advance(minutes(20))
    await there.silently()
    const before = await listed()
    await set('sessionIdleSeconds', minutes(10))
    expect(await listed()).toBeLessThan(before)
    const page = await here.browser.get(`${server.issuer}/account`)
    expect([page.status, page.next]).toEqual([303, expect.stringContaining('/authorize')])
    expect((await there.browser.get(`${server.issuer}/account`)).status).toBe(200)
    await set('sessionIdleSeconds', undefined)
    expect((await here.browser.get(`${server.issuer}/account`)).status).toBe(303)
  })

  test('that has expired does not end its refresh tokens', async () => {
    const { tokens, refresh, silently } = await party()
    server.clock.advance(minutes(20))
    await set('sessionIdleSeconds', minutes(10))
    expect((await silently()).error).toBe('login_required')
    expect((await refresh(tokens.refresh_token)).status).toBe(200)
  })
})

test('an access token is valid for as long as its response said (RFC 6749 §5.1, expires_in)', async () => {
  const { tokens, userinfo } = await party()
  server.clock.advance(minutes(5))
  await server.parts.settings.set('accessTokenSeconds', 60, operator)
  expect((await userinfo(tokens.access_token)).status).toBe(200)
  const later = await party()
  expect(later.tokens.expires_in).toBe(60)
  await server.parts.settings.set('accessTokenSeconds', undefined, operator)
})

test('the client gets login_required for a session that the lowered time has ended', async () => {
  const { browser, authorizeUrl } = await party()
  server.clock.advance(minutes(20))
  await set('sessionIdleSeconds', minutes(10))
  const page = await browser.get(await authorizeUrl({ prompt: 'none' }))
  expect(answerIn(page)).toMatchObject({ error: 'login_required', state: 'the-state', iss: server.issuer })
})
