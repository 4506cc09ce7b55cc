/** The second factor of a sign-in with the old password, and step-up of an old session, while the account is recovered. */
import { acr } from '../../mfa/house.ts'
import type { House, Person } from './house.ts'
import type { Credentials, People, Visitor } from './person.ts'
import { createPeople } from './person.ts'
import type { Try } from './tries.ts'
import { countWrongs, race, times } from './tries.ts'

/** A browser that was signed in before there was a factor: it may only be asked for the factor. */
async function openStepUps(people: People, { attackAt }: Try, plain: Credentials) {
  const browser = people.browserAt(attackAt)
  const codes = await people.enrolApp(browser, plain)
  const credentials = { ...plain, codes }
  const openStepUp = async () => {
    const parameters = { scope: 'openid offline_access', acr_values: acr.mfa }
    const page = await browser.follow(await browser.get(await people.demo.authorizeUrl(parameters)))
    if (!page.body.includes('/factor"')) throw new Error(`no factor is asked for:\n${page.body.slice(0, 2000)}`)
    const visitor: Visitor = { at: attackAt, browser, credentials }
    return { visitor, page }
  }
  return { credentials, inFlight: await openStepUp(), late: await openStepUp() }
}

async function isRemembered({ query }: House, { id }: Person): Promise<boolean> {
  const sql = 'SELECT count(*)::int AS count FROM remembered_browser WHERE account_id = $1'
  return (await query<{ count: number }>(sql, [id]))[0]!.count > 0
}

export function testFactorSteps(house: () => House): void {
  test('no second factor and no step-up on an old password gives anything after recovery', async () => {
    const people = createPeople(house())
    const wrongs = await countWrongs(house(), times, async (one) => {
      const person = house().takeVerified()
      const fire = await people.prepareRecovery(one.resetAt, person)
      const stepUps = await openStepUps(people, one, people.withOldPassword(person))
      const { credentials } = stepUps
      const open = () => people.visit(one.attackAt, credentials)
      const [remembering, late, inFlight] = [await open(), await open(), await open()]
      for (const visit of [remembering, late]) {
        visit.page = await people.goOn(visit.visitor.browser, visit.page, credentials, 'factor')
      }
      const remember = async () => {
        const fields = { method: 'recovery_code', code: credentials.codes.pop()!, remember: 'yes' }
        await people.finish(
          remembering.visitor,
          await remembering.visitor.browser.submit(remembering.page, '/factor', fields),
        )
      }
      const stepUp = () => people.finish(stepUps.inFlight.visitor, stepUps.inFlight.page)
      const signIn = () => people.finish(inFlight.visitor, inFlight.page)
      await race(one, [remember, stepUp, signIn], fire)
      const steppedUp = await people.hasAccess(stepUps.inFlight.visitor)
      await people.finish(late.visitor, late.page)
      await people.finish(stepUps.late.visitor, stepUps.late.page)
      return {
        remembered: await isRemembered(house(), person),
        factorInFlight: await people.hasAccess(remembering.visitor),
        loginInFlight: await people.hasAccess(inFlight.visitor),
        beforeFactor: await people.hasAccess(late.visitor),
        stepUpInFlight: steppedUp,
        beforeStepUp: await people.hasAccess(stepUps.late.visitor),
      }
    })
    expect(wrongs).toEqual({
      remembered: 0,
      factorInFlight: 0,
      loginInFlight: 0,
      beforeFactor: 0,
      stepUpInFlight: 0,
      beforeStepUp: 0,
    })
  }, 120_000)
}
