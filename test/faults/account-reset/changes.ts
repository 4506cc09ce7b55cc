/**
 * Account changes that were requested in a session of the old password, while the account is reset.
 */
import { createAuthenticator } from '../../mfa/authenticator.ts'
import type { Browser } from '../../support/browser.ts'
import type { Credentials, People } from './person.ts'
import { createPeople } from './person.ts'
import type { Person, Setup } from './setup.ts'
import { oldPassword, strangersEmail } from './setup.ts'
import { countWrongs, few, raceEitherWay, runTries, sumWrongs, times } from './tries.ts'

/** The form on the email page, filled in with the attacker's address. */
async function openEmailChange(people: People, browser: Browser, person: Person) {
  const page = await people.openPage(browser, '/account/email', people.withOldPassword(person))
  const fields = { ...people.proofOn(page, oldPassword), email: strangersEmail(person) }
  return () => browser.submit(page, '/account/email', fields)
}

async function openDeletion(people: People, browser: Browser, credentials: Credentials) {
  const page = await people.openPage(browser, '/account/data', credentials)
  const fields = { ...people.proofOn(page, oldPassword), sure: 'yes' }
  return () => browser.submit(page, '/account/data/delete', fields)
}

/** The form with a passkey that the attacker created. */
async function openPasskey({ issuer }: Setup, people: People, browser: Browser, credentials: Credentials) {
  const page = await people.openPage(browser, '/account/factors', credentials)
  const options = /data-passkey="([^"]*)"/.exec(page.body)![1]!.replaceAll(/&#34;|&quot;/g, '"')
  const response = createAuthenticator({ origin: issuer, rpId: 'localhost' }).create(JSON.parse(options))
  return () => browser.submit(page, '/account/factors/passkeys', { response, name: 'Phone' })
}

export function testChanges(setup: () => Setup): void {
  const count = async (table: 'totp' | 'passkey', { id }: Person): Promise<number> =>
    (
      await setup().query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table} WHERE account_id = $1`, [id])
    )[0]!.count

  const isScheduled = async ({ id }: Person): Promise<boolean> =>
    (await setup().query('SELECT FROM account WHERE id = $1 AND delete_at IS NOT NULL', [id])).length > 0

  test('an email change or a passkey in flight is not carried out after recovery', async () => {
    const people = createPeople(setup())
    const tried = await runTries(setup(), times, async (one) => {
      const person = setup().takeVerified()
      const browser = people.browserAt(one.attackAt)
      const recover = await people.prepareRecovery(one.resetAt, person)
      const changeEmail = await openEmailChange(people, browser, person)
      const addPasskey = await openPasskey(setup(), people, browser, people.withOldPassword(person))
      await raceEitherWay(setup(), one, person, [changeEmail, addPasskey], recover)
      const isAdded = (await count('passkey', person)) > 0
      const passkey = isAdded && (await people.isAfter(person, 'factor.added', 'account.recovered'))
      return { person, at: one.attackAt, passkey }
    })
    await setup().allEmailsSent()
    const wrongs = tried.map(async ({ person, at, passkey }) => ({
      passkey,
      email: await people.opensEmailChange(at, person, strangersEmail(person)),
    }))
    expect(sumWrongs(await Promise.all(wrongs))).toEqual({ passkey: 0, email: 0 })
  })

  test('a deletion or an authenticator app in flight is not carried out after recovery', async () => {
    const people = createPeople(setup())
    const wrongs = await countWrongs(setup(), times, async (one) => {
      const person = setup().takeVerified()
      const browser = people.browserAt(one.attackAt)
      const credentials = people.withOldPassword(person)
      const recover = await people.prepareRecoveryAgain(one.resetAt, person)
      const deleteAccount = await openDeletion(people, browser, credentials)
      const addApp = await people.openApp(browser, credentials)
      await raceEitherWay(setup(), one, person, [deleteAccount, addApp], recover)
      const isAfter = (action: string) => people.isAfter(person, action, 'account.recovered')
      return {
        deletion: (await isScheduled(person)) && (await isAfter('account.deletion_requested')),
        app: (await count('totp', person)) > 0 && (await isAfter('factor.added')),
      }
    })
    expect(wrongs).toEqual({ deletion: 0, app: 0 })
  })

  test('an email change whose email waits in the outbox has no link after recovery', async () => {
    const people = createPeople(setup())
    const { mailbox, allEmailsSent, allEmailsTried, makeEmailsDue } = setup()
    const asked = await runTries(setup(), few, async ({ attackAt, resetAt }) => {
      const person = setup().takeVerified()
      const changeEmail = await openEmailChange(people, people.browserAt(attackAt), person)
      return { person, attackAt, changeEmail, recover: await people.prepareRecovery(resetAt, person) }
    })
    await allEmailsSent()
    mailbox.setMood('busy')
    try {
      for (const { changeEmail } of asked) await changeEmail()
      await allEmailsTried()
      for (const { recover } of asked) await recover()
    } finally {
      mailbox.setMood('well')
    }
    await makeEmailsDue()
    await allEmailsSent()
    const opened = asked.map(async ({ person, attackAt }) => ({
      email: await people.opensEmailChange(attackAt, person, strangersEmail(person)),
    }))
    expect(sumWrongs(await Promise.all(opened))).toEqual({ email: 0 })
  })

  test('the removal of a factor in flight is not carried out after a password change', async () => {
    const people = createPeople(setup())
    const wrongs = await countWrongs(setup(), times, async (one) => {
      const person = setup().takeVerified()
      const plain = people.withOldPassword(person)
      const browser = people.browserAt(one.resetAt)
      const credentials = { ...plain, codes: await people.enrolApp(browser, plain) }
      const owner = await people.preparePasswordChange(browser, credentials)
      const stranger = people.browserAt(one.attackAt)
      const page = await people.openPage(stranger, '/account/factors', credentials)
      const remove = () => stranger.submit(page, '/account/factors/app/remove')
      await raceEitherWay(setup(), one, person, [remove], owner.change)
      return {
        removal: await people.isAfter(person, 'factor.removed', 'account.password_changed'),
        ownSessionLost: !(await owner.isSessionRenewed()),
      }
    })
    expect(wrongs).toEqual({ removal: 0, ownSessionLost: 0 })
  })
}
