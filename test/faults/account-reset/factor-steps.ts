/**
 * The second factor of a sign-in with the old password, and step-up of an old session, while the
 * account is recovered.
 */
import { acr } from '../../mfa/setup.ts'
import type { Credentials, People, Visitor } from './person.ts'
import { createPeople } from './person.ts'
import type { Setup } from './setup.ts'
import type { Try } from './tries.ts'
import { countWrongs, few, race, times } from './tries.ts'

/** A session from before the account had a factor, at the page that asks for the factor alone. */
async function openStepUp(people: People, { attackAt }: Try, plain: Credentials) {
  const browser = people.browserAt(attackAt)
  const credentials = { ...plain, codes: await people.enrolApp(browser, plain) }
  const parameters = { scope: 'openid offline_access', acr_values: acr.mfa }
  const page = await browser.follow(await browser.get(await people.demo.authorizeUrl(parameters)))
  if (!page.body.includes('/factor"')) throw new Error(`no factor is asked for:\n${page.body.slice(0, 2000)}`)
  const visitor: Visitor = { at: attackAt, browser, credentials }
  return { credentials, visitor, page }
}

/** A sign-in with the old password, at the page that asks for the factor. */
async function openFactor(people: People, { attackAt }: Try, credentials: Credentials) {
  const { visitor, page } = await people.visit(attackAt, credentials)
  return { visitor, page: await people.goOn(visitor.browser, page, credentials, 'factor') }
}

export function testFactorSteps(setup: () => Setup): void {
  test('a second factor or a step-up in flight gives no session and no token after recovery, and no browser is remembered', async () => {
    const people = createPeople(setup())
    const wrongs = await countWrongs(setup(), times, async (one) => {
      const person = setup().takeVerified()
      const recover = await people.prepareRecovery(one.resetAt, person)
      const stepUp = await openStepUp(people, one, people.withOldPassword(person))
      const { credentials } = stepUp
      const factor = await openFactor(people, one, credentials)
      const login = await people.visit(one.attackAt, credentials)
      const remember = async () => {
        const fields = { method: 'recovery_code', code: credentials.codes.pop()!, remember: 'yes' }
        await people.finish(factor.visitor, await factor.visitor.browser.submit(factor.page, '/factor', fields))
      }
      const attacks = [
        remember,
        () => people.finish(stepUp.visitor, stepUp.page),
        () => people.finish(login.visitor, login.page),
      ]
      await race(one, attacks, recover)
      return {
        remembered: await people.isRemembered(person),
        factor: await people.hasAccess(factor.visitor),
        stepUp: await people.hasAccess(stepUp.visitor),
        login: await people.hasAccess(login.visitor),
      }
    })
    expect(wrongs).toEqual({ remembered: 0, factor: 0, stepUp: 0, login: 0 })
  })

  test('a sign-in or a step-up that was stopped before the second factor gives no session and no token after recovery', async () => {
    const people = createPeople(setup())
    const wrongs = await countWrongs(setup(), few, async (one) => {
      const person = setup().takeVerified()
      const recover = await people.prepareRecovery(one.resetAt, person)
      const stepUp = await openStepUp(people, one, people.withOldPassword(person))
      const factor = await openFactor(people, one, stepUp.credentials)
      await recover()
      await people.finish(factor.visitor, factor.page)
      await people.finish(stepUp.visitor, stepUp.page)
      return { factor: await people.hasAccess(factor.visitor), stepUp: await people.hasAccess(stepUp.visitor) }
    })
    expect(wrongs).toEqual({ factor: 0, stepUp: 0 })
  })
}
