/** Changing one's own password and e-mail address: with a proof, told to the old address, and ending what is open elsewhere. */

import type { PeopleHouse } from '../registration/house.ts'
import { goodPassword, openPeopleHouse, operator, otherPassword } from '../registration/house.ts'
import { createBrowser } from '../support/browser.ts'
import { createRelyingParty } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'

let house: PeopleHouse
beforeAll(async () => {
  house = await openPeopleHouse()
})
afterAll(() => house?.close())

const changes = () => house.server.parts.accountChanges

/** Somebody signed in at two browsers; `uid` names the first one's session. */
async function signedInTwice(email: string) {
  const account = await house.member(email)
  async function signIn() {
    const rp = createRelyingParty(house.server)
    const start = await rp.browser.get(await rp.authorizeUrl({ scope: 'openid offline_access' }))
    const { code } = await rp.complete(start, { email, password: goodPassword })
    return { rp, tokens: (await rp.exchange(code!)).body }
  }
  const [here, there] = [await signIn(), await signIn()]
  const cookie = (await here.rp.browser.jar.getCookies(house.server.issuer)).find(({ key }) => key.endsWith('session'))!
  const session = await house.server.parts.engine.provider().Session.find(cookie.value)
  return { account, here, there, sessionUid: session!.uid }
}

const isSignedIn = async ({ rp }: { rp: ReturnType<typeof createRelyingParty> }) => {
  const page = await rp.browser.get(await rp.authorizeUrl({ prompt: 'none' }))
  return new URL(page.next!).searchParams.get('error') === null
}

describe.each(['password', 'email'] as const)('changing the %s', (what) => {
  const change = async (
    accountId: string,
    proof: { password: string } | { factorProvenAtMs: number },
    sessionUid?: string,
  ) => {
    const caller = { accountId, proof, ...(sessionUid !== undefined && { sessionUid }) }
    if (what === 'password') return changes().changePassword({ ...caller, newPassword: otherPassword })
    return changes().requestEmailChange({ ...caller, newEmail: `new-${accountId}@example.com` })
  }

  test('wants the password, or a factor that was proven within five minutes (attack 23)', async () => {
    const { id, email } = await house.member(`proof-${what}@example.com`)
    const { clock } = house.server
    for (const proof of [
      { password: 'not the right password' },
      { password: '' },
      { factorProvenAtMs: clock.now() - 5 * 60_000 - 1 },
      { factorProvenAtMs: clock.now() + 60_000 },
      { factorProvenAtMs: Number.NaN },
    ]) {
      await expect(change(id, proof)).rejects.toMatchObject({ code: 'proof_refused', status: 403 })
    }
    expect(await house.signsIn(email, goodPassword)).toBe(true)
    expect(await house.account(email)).toMatchObject({ id })
    expect((await house.trail(id)).filter((action) => action === 'account.change_refused')).toHaveLength(5)
    await change(id, { factorProvenAtMs: clock.now() - 5 * 60_000 })
  })

  test('a disabled or unknown account proves nothing', async () => {
    const { id } = await house.member(`gone-${what}@example.com`)
    await house.server.parts.accounts.disable(id, operator)
    await waitFor(async () => (await house.server.parts.accounts.findById(id))?.isDisabled)
    await expect(change(id, { password: goodPassword })).rejects.toMatchObject({ code: 'proof_refused' })
    await expect(change(crypto.randomUUID(), { password: goodPassword })).rejects.toMatchObject({
      code: 'proof_refused',
    })
  })
})

test('a new password ends the other sessions and all refresh tokens, keeps this session, and is told by mail', async () => {
  const { account, here, there, sessionUid } = await signedInTwice('password@example.com')
  await changes().changePassword({
    accountId: account.id,
    proof: { password: goodPassword },
    newPassword: otherPassword,
    sessionUid,
  })
  expect(await isSignedIn(here)).toBe(true)
  expect(await isSignedIn(there)).toBe(false)
  for (const { rp, tokens } of [here, there]) {
    expect((await rp.refresh(tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
    expect((await rp.userinfo(tokens.access_token)).status).toBe(401)
  }
  expect(await house.signsIn(account.email, otherPassword)).toBe(true)
  expect(await house.signsIn(account.email, goodPassword)).toBe(false)
  const mail = await house.mailbox.waitFor(account.email, 2)
  expect(mail.subject).toBe('Your password was changed')
  expect(mail.link).toBe(`${house.server.issuer}/recover`)
})

test('without a session to keep every one ends', async () => {
  const { account, here, there } = await signedInTwice('nowhere@example.com')
  await changes().changePassword({
    accountId: account.id,
    proof: { password: goodPassword },
    newPassword: otherPassword,
  })
  expect([await isSignedIn(here), await isSignedIn(there)]).toEqual([false, false])
})

test('a new password that is refused changes nothing', async () => {
  const { id, email } = await house.member('weak@example.com')
  await expect(
    changes().changePassword({ accountId: id, proof: { password: goodPassword }, newPassword: 'short' }),
  ).rejects.toMatchObject({ code: 'change_invalid', problems: [{ path: 'newPassword', code: 'password_too_short' }] })
  expect(await house.signsIn(email, goodPassword)).toBe(true)
})

test('of two changes proven by the same password one is made', async () => {
  const { id } = await house.member('twice@example.com')
  const change = (newPassword: string) =>
    changes().changePassword({ accountId: id, proof: { password: goodPassword }, newPassword })
  const results = await Promise.allSettled([
    change('the first of two new passwords'),
    change('the second of two new passwords'),
  ])
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

describe('a new e-mail address', () => {
  async function asked(email: string, newEmail: string) {
    const account = await house.member(email)
    await changes().requestEmailChange({ accountId: account.id, proof: { password: goodPassword }, newEmail })
    return account
  }

  test('counts once its link is confirmed; until then nothing changes, however often the link is opened', async () => {
    const { account, here, there } = await signedInTwice('before@example.com')
    await changes().requestEmailChange({
      accountId: account.id,
      proof: { password: goodPassword },
      newEmail: 'After@Example.com',
    })
    const { link } = await house.mailbox.waitFor('After@Example.com')
    const browser = createBrowser()
    const page = await browser.get(link!)
    expect(page.body).toContain('After@Example.com')
    expect(await house.account('before@example.com')).toMatchObject({ id: account.id })
    expect((await browser.submit(page, '/email-change')).status).toBe(200)
    expect(await house.account('after@example.com')).toMatchObject({
      id: account.id,
      email: 'After@Example.com',
      isEmailVerified: true,
    })
    expect(await house.account('before@example.com')).toBeUndefined()
    expect((await house.mailbox.waitFor('before@example.com', 3)).subject).toBe('Your e-mail address was changed')
    expect([await isSignedIn(here), await isSignedIn(there)]).toEqual([false, false])
    for (const { rp, tokens } of [here, there]) {
      expect((await rp.refresh(tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
    }
    expect((await browser.submit(page, '/email-change')).status).toBe(400)
    expect(await house.trail(account.id)).toEqual(
      expect.arrayContaining(['account.email_change_requested', 'account.email_changed']),
    )
  })

  test('that another account has proven is told to its owner, and changes nothing', async () => {
    await house.member('taken@example.com')
    await asked('taker@example.com', 'TAKEN@example.com')
    expect((await house.mailbox.waitFor('taken@example.com', 2)).subject).toBe('Somebody wanted to use your address')
    expect(await house.account('taker@example.com')).toBeDefined()
  })

  test('that somebody has registered and never proven goes to who proves it', async () => {
    await house.register({ email: 'squat@example.com', password: otherPassword })
    await house.mailbox.waitFor('squat@example.com')
    const squatted = (await house.account('squat@example.com'))!
    const account = await asked('real@example.com', 'squat@example.com')
    const browser = createBrowser()
    const page = await browser.get((await house.mailbox.waitFor('squat@example.com', 2)).link!)
    expect((await browser.submit(page, '/email-change')).status).toBe(200)
    expect(await house.account('squat@example.com')).toMatchObject({ id: account.id })
    expect(await house.server.database.knex('account').where({ id: squatted.id })).toEqual([])
    expect(await house.signsIn('squat@example.com', otherPassword)).toBe(false)
  })

  test('that is taken while the link waits is refused, and the link stays good', async () => {
    const account = await asked('waiting@example.com', 'grabbed@example.com')
    const { link } = await house.mailbox.waitFor('grabbed@example.com')
    await house.server.parts.accounts.create({ email: 'grabbed@example.com', isEmailVerified: true }, operator)
    const browser = createBrowser()
    const page = await browser.get(link!)
    expect((await browser.submit(page, '/email-change')).status).toBe(409)
    expect(await house.account('waiting@example.com')).toMatchObject({ id: account.id })
  })

  test('asked for with a password that has been replaced meanwhile is asked for in vain', async () => {
    const account = await asked('recovered@example.com', 'thief@example.com')
    const { link } = await house.mailbox.waitFor('thief@example.com')
    await changes().changePassword({
      accountId: account.id,
      proof: { password: goodPassword },
      newPassword: otherPassword,
    })
    expect((await createBrowser().get(link!)).status).toBe(400)
  })

  test.each(['nobody', 'a,b@example.com', 'a@example.com\r\nBcc: b@example.com', ''])(
    'that is none (%j) is refused',
    async (newEmail) => {
      const account = (await house.account('taken@example.com'))!
      await expect(
        changes().requestEmailChange({ accountId: account.id, proof: { password: goodPassword }, newEmail }),
      ).rejects.toMatchObject({ code: 'change_invalid', problems: [{ path: 'newEmail' }] })
    },
  )
})
