/** A new password or email: requires a proof, notifies the old email, ends the other sessions. */

import { testOrigin } from '../audit/origins.ts'
import type { AccountSetup } from '../registration/setup.ts'
import { goodPassword, openAccountSetup, operator, otherPassword } from '../registration/setup.ts'
import { createRelyingParty } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())

const changes = () => setup.server.parts.accountChanges

/** A user signed in at two browsers. `session` is the first one's, as an account form sends it. */
async function signedInTwice(email: string) {
  const account = await setup.member(email)
  async function signIn() {
    const rp = createRelyingParty(setup.server)
    const start = await rp.browser.get(await rp.authorizeUrl({ scope: 'openid offline_access' }))
    const { code } = await rp.complete(start, { email, password: goodPassword })
    return { rp, tokens: (await rp.exchange(code!)).body }
  }
  const [here, there] = [await signIn(), await signIn()]
  const cookie = (await here.rp.browser.jar.getCookies(setup.server.issuer)).find(({ key }) => key.endsWith('session'))!
  const { uid } = (await setup.server.parts.engine.provider().Session.find(cookie.value))!
  const session = { uid, id: cookie.value, generation: account.generation }
  return { account, here, there, session }
}

const isSignedIn = async ({ rp }: { rp: ReturnType<typeof createRelyingParty> }) => {
  const page = await rp.browser.get(await rp.authorizeUrl({ prompt: 'none' }))
  return new URL(page.next!).searchParams.get('error') === null
}

describe.each(['password', 'email'] as const)('changing the %s', (what) => {
  const change = async (accountId: string, proof: { password: string } | { factorProvenAtMs: number }) => {
    const caller = { accountId, proof, origin: testOrigin }
    if (what === 'password') return changes().changePassword({ ...caller, newPassword: otherPassword })
    return changes().requestEmailChange({ ...caller, newEmail: `new-${accountId}@example.com` })
  }

  test('requires the password, or a factor that was proven within five minutes', async () => {
    const { id, email } = await setup.member(`proof-${what}@example.com`)
    const { clock } = setup.server
    for (const proof of [
      { password: 'not the right password' },
      { password: '' },
      { factorProvenAtMs: clock.now() - 5 * 60_000 - 1 },
      { factorProvenAtMs: clock.now() + 60_000 },
      { factorProvenAtMs: Number.NaN },
    ]) {
      await expect(change(id, proof)).rejects.toMatchObject({ code: 'proof_refused', status: 403 })
    }
    expect(await setup.signsIn(email, goodPassword)).toBe(true)
    expect(await setup.account(email)).toMatchObject({ id })
    expect((await setup.trail(id)).filter((action) => action === 'account.change_refused')).toHaveLength(5)
    await change(id, { factorProvenAtMs: clock.now() - 5 * 60_000 })
  })

  test('is refused for a disabled or unknown account', async () => {
    const { id } = await setup.member(`gone-${what}@example.com`)
    await setup.server.parts.accounts.disable(id, operator)
    await waitFor(async () => (await setup.server.parts.accounts.findById(id))?.isDisabled)
    await expect(change(id, { password: goodPassword })).rejects.toMatchObject({ code: 'proof_refused' })
    await expect(change(crypto.randomUUID(), { password: goodPassword })).rejects.toMatchObject({
      code: 'proof_refused',
    })
  })
})

test('a new password ends the other sessions and all refresh tokens, keeps this session, and sends an email', async () => {
  const { account, here, there, session } = await signedInTwice('password@example.com')
  const end = await changes().changePassword({
    origin: testOrigin,
    accountId: account.id,
    proof: { password: goodPassword },
    newPassword: otherPassword,
    session,
  })
  // The session continues under another id; test/account/pages.test.ts continues it in a browser.
  expect(end.session!.id).not.toBe(session.id)
  const { Session } = setup.server.parts.engine.provider()
  expect(await Session.find(end.session!.id)).toMatchObject({ uid: session.uid, accountId: account.id })
  expect(await isSignedIn(here)).toBe(false)
  expect(await isSignedIn(there)).toBe(false)
  for (const { rp, tokens } of [here, there]) {
    expect((await rp.refresh(tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
    expect((await rp.userinfo(tokens.access_token)).status).toBe(401)
  }
  expect(await setup.signsIn(account.email, otherPassword)).toBe(true)
  expect(await setup.signsIn(account.email, goodPassword)).toBe(false)
  const message = await setup.mailbox.waitFor(account.email, 'password_changed')
  expect(message.link).toBe(`${setup.server.issuer}/recover`)
})

test('a new password without a session to keep ends every session', async () => {
  const { account, here, there } = await signedInTwice('nowhere@example.com')
  await changes().changePassword({
    origin: testOrigin,
    accountId: account.id,
    proof: { password: goodPassword },
    newPassword: otherPassword,
  })
  expect([await isSignedIn(here), await isSignedIn(there)]).toEqual([false, false])
})

test('a refused new password changes nothing', async () => {
  const { id, email } = await setup.member('weak@example.com')
  await expect(
    changes().changePassword({
      accountId: id,
      origin: testOrigin,
      proof: { password: goodPassword },
      newPassword: 'short',
    }),
  ).rejects.toMatchObject({ code: 'change_invalid', problems: [{ path: 'newPassword', code: 'password_too_short' }] })
  expect(await setup.signsIn(email, goodPassword)).toBe(true)
})

test('of two concurrent changes with the same password one succeeds', async () => {
  const { id } = await setup.member('twice@example.com')
  const change = (newPassword: string) =>
    changes().changePassword({ accountId: id, origin: testOrigin, proof: { password: goodPassword }, newPassword })
  const results = await Promise.allSettled([
    change('the first of two new passwords'),
    change('the second of two new passwords'),
  ])
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})
