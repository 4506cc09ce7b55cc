/**
 * Resets by an administrator's command. Few tries, because each command is a process that takes a
 * second.
 */

import { createPeople } from './person.ts'
import type { Person, Setup } from './setup.ts'
import { newPassword, oldPassword, strangersEmail } from './setup.ts'
import type { Try } from './tries.ts'
import { countWrongs, operated } from './tries.ts'

export function testOperators(setup: () => Setup): void {
  type Command = (person: Person) => Promise<void>
  const setPassword: Command = ({ id }) =>
    setup().operator(['user', 'set-password', id, '--password-stdin'], newPassword)
  const disableForAMoment: Command = async ({ id }) => {
    await setup().operator(['user', 'disable', id])
    await setup().operator(['user', 'enable', id])
  }

  /**
   * An attacker with the old password has links, a session, and a sign-in that is not resumed yet.
   * All of them are tried after the command.
   */
  async function tryAfter(command: Command, { attackAt, resetAt }: Try) {
    const people = createPeople(setup())
    const person = setup().takeVerified()
    const credentials = people.withOldPassword(person)
    const stranger = people.browserAt(attackAt)
    const page = await people.openPage(stranger, '/account/email', credentials)
    const fields = { ...people.proofOn(page, oldPassword), email: strangersEmail(person) }
    await people.emailedLink(strangersEmail(person), '/email-change', () =>
      stranger.submit(page, '/account/email', fields),
    )
    const recovery = await people.recoveryLink(resetAt, person)
    const stopped = await people.visit(attackAt, credentials)
    const answered = await people.answer(stopped.visitor.browser, stopped.page, 'login', credentials)
    const knownBefore = (await people.knownBrowsers(person)).length
    if (knownBefore === 0) throw new Error('no browser is known before the reset')
    await command(person)
    await people.finish(stopped.visitor, answered)
    return {
      session: await people.isSignedIn({ browser: stranger }),
      signIn: await people.hasAccess(stopped.visitor),
      recovery: (await people.browserAt(attackAt).get(recovery)).status === 200,
      email: await people.opensEmailChange(attackAt, person, strangersEmail(person)),
      knownBrowser: (await people.knownBrowsers(person)).length > 0,
    }
  }

  test('links, sessions, sign-ins and known browsers from before end with `user set-password`', async () => {
    const wrongs = await countWrongs(setup(), operated, (one) => tryAfter(setPassword, one))
    expect(wrongs).toEqual({ session: 0, signIn: 0, recovery: 0, email: 0, knownBrowser: 0 })
  })

  test('links, sessions and sign-ins from before end with `user disable` and `user enable`', async () => {
    const wrongs = await countWrongs(setup(), operated, async (one) => {
      const { knownBrowser: _, ...others } = await tryAfter(disableForAMoment, one)
      return others
    })
    expect(wrongs).toEqual({ session: 0, signIn: 0, recovery: 0, email: 0 })
  })

  test('remembered browsers and sessions from before end with `user reset-factors`', async () => {
    const people = createPeople(setup())
    const wrongs = await countWrongs(setup(), operated, async ({ attackAt }) => {
      const person = setup().takeVerified()
      const plain = people.withOldPassword(person)
      const credentials = { ...plain, codes: await people.enrolApp(people.browserAt(attackAt), plain) }
      const { visitor, page } = await people.visit(attackAt, credentials)
      const asked = await people.goOn(visitor.browser, page, credentials, 'factor')
      const fields = { method: 'recovery_code', code: credentials.codes.pop()!, remember: 'yes' }
      await people.finish(visitor, await visitor.browser.submit(asked, '/factor', fields))
      if (!(await people.isRemembered(person))) throw new Error('the browser is not remembered before the reset')
      await setup().operator(['user', 'reset-factors', person.id])
      return { remembered: await people.isRemembered(person), access: await people.hasAccess(visitor) }
    })
    expect(wrongs).toEqual({ remembered: 0, access: 0 })
  })
}
