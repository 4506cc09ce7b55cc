/**
 * Sign-ins with the old password, in progress or stopped at some step, while the account is reset.
 */

import type { Credentials, People } from './person.ts'
import { createPeople } from './person.ts'
import type { Setup } from './setup.ts'
import type { Try } from './tries.ts'
import { countWrongs, few, race, times } from './tries.ts'

/** Races a sign-in with the reset. Returns whether it has access afterwards. */
async function raceSignIn(people: People, one: Try, credentials: Credentials, fire: () => Promise<void>) {
  const { visitor, page } = await people.visit(one.attackAt, credentials)
  await race(one, [() => people.finish(visitor, page)], fire)
  return people.hasAccess(visitor)
}

/**
 * Resumes sign-ins after the reset that were stopped at each step. The names say which steps were
 * left.
 */
async function resumeSignIns(people: People, { attackAt }: Try, credentials: Credentials, fire: () => Promise<void>) {
  const open = () => people.visit(attackAt, credentials)
  const [resume, consent, token] = [await open(), await open(), await open()]
  resume.page = await people.answer(resume.visitor.browser, resume.page, 'login', credentials)
  consent.page = await people.goOn(consent.visitor.browser, consent.page, credentials, 'consent')
  token.page = await people.goOn(token.visitor.browser, token.page, credentials)
  await fire()
  for (const { visitor, page } of [resume, consent, token]) await people.finish(visitor, page)
  return {
    beforeResume: await people.hasAccess(resume.visitor),
    beforeConsent: await people.hasAccess(consent.visitor),
    beforeToken: await people.hasAccess(token.visitor),
  }
}

const noneStopped = { beforeResume: 0, beforeConsent: 0, beforeToken: 0 }

export function testSignIns(setup: () => Setup): void {
  test('a sign-in in flight has no session and no token after recovery, and its browser is not known', async () => {
    const people = createPeople(setup())
    const wrongs = await countWrongs(setup(), times, async (one) => {
      const person = setup().takeVerified()
      const recover = await people.prepareRecovery(one.resetAt, person)
      const access = await raceSignIn(people, one, people.withOldPassword(person), recover)
      // Only the browser that used the link is known.
      const known = await people.knownBrowsers(person)
      return { access, knownBrowser: known.length > 1, ownBrowserForgotten: known.length === 0 }
    })
    expect(wrongs).toEqual({ access: 0, knownBrowser: 0, ownBrowserForgotten: 0 })
  })

  test('a sign-in in flight has no session and no token after a password change, and the owner continues', async () => {
    const people = createPeople(setup())
    const wrongs = await countWrongs(setup(), times, async (one) => {
      const person = setup().takeVerified()
      const credentials = people.withOldPassword(person)
      const owner = await people.preparePasswordChange(people.browserAt(one.resetAt), credentials)
      const own = await people.knownBrowsers(person)
      const access = await raceSignIn(people, one, credentials, owner.change)
      const known = await people.knownBrowsers(person)
      return {
        access,
        ownSessionLost: !(await owner.isSessionRenewed()),
        // The user's browser continues with a new cookie, and a copy of the old one is worthless.
        oldCookieKnown: known.some((key) => own.includes(key)),
        knownBrowser: known.length > 1,
        ownBrowserForgotten: known.length === 0,
      }
    })
    const none = { access: 0, ownSessionLost: 0, oldCookieKnown: 0, knownBrowser: 0, ownBrowserForgotten: 0 }
    expect(wrongs).toEqual(none)
  })

  test('a sign-in that was stopped at any step cannot be finished after recovery', async () => {
    const people = createPeople(setup())
    const wrongs = await countWrongs(setup(), few, async (one) => {
      const person = setup().takeVerified()
      const recover = await people.prepareRecovery(one.resetAt, person)
      return resumeSignIns(people, one, people.withOldPassword(person), recover)
    })
    expect(wrongs).toEqual(noneStopped)
  })

  test('a sign-in that was stopped at any step cannot be finished after a password change', async () => {
    const people = createPeople(setup())
    const wrongs = await countWrongs(setup(), few, async (one) => {
      const credentials = people.withOldPassword(setup().takeVerified())
      const owner = await people.preparePasswordChange(people.browserAt(one.resetAt), credentials)
      return resumeSignIns(people, one, credentials, owner.change)
    })
    expect(wrongs).toEqual(noneStopped)
  })
}
