/** A user starts over at an imported account whose old password and links an attacker has. */

import type { People } from './person.ts'
import { createPeople } from './person.ts'
import type { Person, Setup } from './setup.ts'
import { newPassword, oldPassword, strangersEmail } from './setup.ts'
import type { Try } from './tries.ts'
import { raceEitherWay, runTries, sumWrongs, times } from './tries.ts'

export function testBeginnings(setup: () => Setup): void {
  /**
   * The mailbox owner registers, and opens the link in another browser than the one that
   * registered.
   */
  async function prepareBeginning(people: People, { resetAt }: Try, { email }: Person) {
    const { issuer } = setup()
    const link = await people.emailedLink(email, '/verify', async () => {
      const browser = people.browserAt(resetAt)
      const fields = { email, name: 'Somebody', password: newPassword }
      await browser.submit(await browser.get(`${issuer}/register`), '/register', fields)
    })
    const browser = people.browserAt(resetAt)
    const page = await browser.get(link)
    return {
      link,
      begin: async () => {
        const fields = { name: 'Somebody', password: newPassword }
        const { status, body } = await browser.submit(page, '/verify/anew', fields)
        if (status !== 200) throw new Error(`the new beginning was refused: ${status}\n${body.slice(0, 2000)}`)
      },
    }
  }

  /** A recovery link from a time when the email counted as verified. */
  async function earlierRecoveryLink(people: People, { attackAt }: Try, person: Person) {
    const setVerified = (isVerified: boolean) =>
      setup().query('UPDATE account SET is_email_verified = $2 WHERE id = $1', [person.id, isVerified])
    await setVerified(true)
    const link = await people.recoveryLink(attackAt, person)
    await setVerified(false)
    return link
  }

  test('no link requested by another user works after an account reset, and no email change in flight is carried out', async () => {
    const people = createPeople(setup())
    const tried = await runTries(setup(), times, async (one) => {
      const person = setup().takeUnverified()
      const recovery = await earlierRecoveryLink(people, one, person)
      const stranger = people.browserAt(one.attackAt)
      const page = await people.openPage(stranger, '/account/email', people.withOldPassword(person))
      const { link, begin } = await prepareBeginning(people, one, person)
      const fields = { ...people.proofOn(page, oldPassword), email: strangersEmail(person) }
      const changeEmail = () => stranger.submit(page, '/account/email', fields)
      // Half of the tries have an earlier link.
      if (one.index % 8 < 4) await people.emailedLink(strangersEmail(person), '/email-change', changeEmail)
      await raceEitherWay(setup(), one, person, [changeEmail], begin)
      const opens = async (url: string) => (await people.browserAt(one.attackAt).get(url)).status === 200
      return {
        person,
        at: one.attackAt,
        session: await people.isSignedIn({ browser: stranger }),
        verification: await opens(link),
        recovery: await opens(recovery),
      }
    })
    await setup().allEmailsSent()
    const wrongs = tried.map(async ({ person, at, session, verification, recovery }) => {
      const email = await people.opensEmailChange(at, person, strangersEmail(person))
      return { session, verification, recovery, email }
    })
    expect(sumWrongs(await Promise.all(wrongs))).toEqual({ session: 0, verification: 0, recovery: 0, email: 0 })
  })
}
