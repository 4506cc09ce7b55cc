/** Sign-ins with the old password, in flight or stopped at some step, while the account is reset. */
import type { StartedProcess } from '../../support/processes.ts'
import type { House } from './house.ts'
import type { Credentials, People } from './person.ts'
import { createPeople } from './person.ts'
import type { Try } from './tries.ts'
import { countWrongs, race, times } from './tries.ts'

/** Sign-ins that have come to each step: the names say what is still to come. */
async function stopped(people: People, at: StartedProcess, credentials: Credentials) {
  const open = () => people.visit(at, credentials)
  const [atLogin, beforeResume, beforeConsent, beforeToken] = [await open(), await open(), await open(), await open()]
  const loggedIn = await people.answer(beforeResume.visitor.browser, beforeResume.page, 'login', credentials)
  const consent = await people.goOn(beforeConsent.visitor.browser, beforeConsent.page, credentials, 'consent')
  const code = await people.goOn(beforeToken.visitor.browser, beforeToken.page, credentials)
  return {
    inFlight: { visitor: atLogin.visitor, goOn: () => people.finish(atLogin.visitor, atLogin.page) },
    beforeResume: {
      visitor: beforeResume.visitor,
      goOn: () => people.finish(beforeResume.visitor, loggedIn),
    },
    beforeConsent: {
      visitor: beforeConsent.visitor,
      goOn: () => people.finish(beforeConsent.visitor, consent),
    },
    beforeToken: { visitor: beforeToken.visitor, goOn: () => people.finish(beforeToken.visitor, code) },
  }
}

type Reset = { fire: () => Promise<void> }

/** Races the sign-in in flight with the reset, lets the stopped ones go on after it, and tells which have access. */
async function raceSignIns(people: People, one: Try, credentials: Credentials, { fire }: Reset) {
  const { inFlight, beforeResume, beforeConsent, beforeToken } = await stopped(people, one.attackAt, credentials)
  await race(one, [inFlight.goOn], fire)
  for (const late of [beforeResume, beforeConsent, beforeToken]) await late.goOn()
  return {
    inFlight: await people.hasAccess(inFlight.visitor),
    beforeResume: await people.hasAccess(beforeResume.visitor),
    beforeConsent: await people.hasAccess(beforeConsent.visitor),
    beforeToken: await people.hasAccess(beforeToken.visitor),
  }
}

export function testSignIns(house: () => House): void {
  test('no sign-in with the old password has a session or a token after recovery', async () => {
    const people = createPeople(house())
    const wrongs = await countWrongs(house(), times, async (one) => {
      const person = house().takeVerified()
      const fire = await people.prepareRecovery(one.resetAt, person)
      const access = await raceSignIns(people, one, people.withOldPassword(person), { fire })
      return { ...access, knownBrowser: (await people.knownBrowsers(person)).length > 0 }
    })
    expect(wrongs).toEqual({ inFlight: 0, beforeResume: 0, beforeConsent: 0, beforeToken: 0, knownBrowser: 0 })
  }, 120_000)

  test('no sign-in with the old password has a session or a token after a password change, and the owner goes on', async () => {
    const people = createPeople(house())
    const wrongs = await countWrongs(house(), times, async (one) => {
      const person = house().takeVerified()
      const credentials = people.withOldPassword(person)
      const owner = await people.preparePasswordChange(one.resetAt, credentials)
      const own = await people.knownBrowsers(person)
      const access = await raceSignIns(people, one, credentials, { fire: owner.change })
      const known = await people.knownBrowsers(person)
      return {
        ...access,
        ownSessionLost: !(await owner.isSessionRenewed()),
        knownBrowser: known.some((key) => !own.includes(key)),
        ownBrowserForgotten: !own.every((key) => known.includes(key)),
      }
    })
    expect(wrongs).toEqual({
      inFlight: 0,
      beforeResume: 0,
      beforeConsent: 0,
      beforeToken: 0,
      ownSessionLost: 0,
      knownBrowser: 0,
      ownBrowserForgotten: 0,
    })
  }, 120_000)
}
