/** Many accounts of one attacker take only a share of the hashes. */
import { minutes } from '../oidc/support.ts'
import type { Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const right = 'the lantern of somebody is lit'
const attacker = '203.0.113.7'

const emailOf = (name: string | number) => `${name}@own.example`

async function addPeople(server: Latchkey, names: readonly (string | number)[]): Promise<void> {
  for (const name of names)
    await server.parts.accounts.create({ email: emailOf(name), isEmailVerified: true, password: right }, operator)
}

/** A sign-in from this address, through a configured proxy. */
async function signInFrom(server: Latchkey, ip: string, name: string | number): Promise<Page> {
  const forwarded = { 'X-Forwarded-For': ip }
  const browser = createBrowser()
  const url = await createRelyingParty(server, browser).authorizeUrl({ prompt: 'login' })
  let page = await browser.get(url, forwarded)
  while (page.next !== undefined) page = await browser.get(page.next, forwarded)
  return browser.submit(page, '/login', { email: emailOf(name), password: right }, forwarded)
}

test('a user elsewhere signs in at once while sixteen accounts of one IP address sign in again and again', async () => {
  const own = Array.from({ length: 16 }, (_, index) => index)
  // So slow that sixteen at once exceed the queue.
  const env = { TRUST_PROXY: '127.0.0.1', PASSWORD_HASH_QUEUE: '3', PASSWORD_HASH_ITERATIONS: '8' }
  const server = await startLatchkey({ env })
  await addPeople(server, [...own, 'alice'])
  const gauge = server.parts.metrics.getSingleMetric('latchkey_password_hash_waiting')!
  const isFull = async () => (await gauge.get()).values[0]!.value === 3
  const refused: Page[] = []
  let isOver = false
  const loops = own.map(async (name) => {
    while (!isOver) {
      const page = await signInFrom(server, attacker, name)
      if (page.status !== 200) refused.push(page)
    }
  })
  try {
    for (let round = 0; round < 6; round += 1) {
      await waitFor(isFull, { what: 'a full queue' })
      expect((await signInFrom(server, '198.51.100.9', 'alice')).status).toBe(200)
    }
  } finally {
    isOver = true
    await Promise.all(loops)
    await server.stop()
  }
  expect(refused.length).toBeGreaterThan(0)
  for (const { status, headers, body } of refused) {
    expect([status, Number(headers.get('Retry-After')) > 0]).toEqual([503, true])
    expect(body).toMatch(/value="\d+@own\.example"/)
  }
})

describe('right passwords', () => {
  let server: Latchkey
  beforeAll(async () => {
    server = await startLatchkey({ hasDefaultLimits: true })
    await addPeople(server, [...Array.from({ length: 20 }, (_, index) => index), 'busy', 'resident', 'signs-in'])
  })
  afterAll(() => server?.stop())
  beforeEach(() => server.clock.advance(minutes(61)))

  /** Proves the password as a form of the account page does. */
  async function prove(name: string | number, ip: string): Promise<string> {
    const { id } = (await server.parts.accounts.findByEmail(emailOf(name)))!
    const proven = server.parts.accountChanges.prove({
      accountId: id,
      proof: { password: right },
      origin: { requestId: 'test', ip },
    })
    return proven.then(
      () => 'proven',
      (error) => `${error.code} ${error.status} ${error.retryAfterSeconds > 0}`,
    )
  }

  test('an account is limited to thirty repeated proofs a minute, from all networks together, and a refused one costs no hash', async () => {
    for (let count = 0; count < 31; count += 1) expect(await prove('busy', `198.51.${count}.1`)).toBe('proven')
    const hashed = server.parts.metrics.getSingleMetric('latchkey_password_hash_seconds')!
    const before = JSON.stringify(await hashed.get())
    expect(await prove('busy', '192.0.2.1')).toBe('too_many_requests 429 true')
    expect(JSON.stringify(await hashed.get())).toBe(before)
    expect(await prove('resident', '192.0.2.1')).toBe('proven')
    server.clock.advance(minutes(2))
    expect(await prove('busy', '192.0.2.1')).toBe('proven')
  })

  test('repeated proofs of a network are limited to thirty a minute, and other accounts of it are not affected', async () => {
    const round = async () => {
      const told: string[] = []
      for (let name = 0; name < 16; name += 1) told.push(await prove(name, attacker))
      return told
    }
    // All users of an office sign in, twice: none of these tries counts.
    for (let count = 0; count < 2; count += 1) expect(await round()).toEqual(Array(16).fill('proven'))
    for (let count = 0; count < 2; count += 1) await round()
    expect(await round()).toContain('too_many_requests 429 true')
    for (const name of [16, 17, 18, 19]) expect(await prove(name, attacker)).toBe('proven')
  })

  test('the login refuses them with 429, and keeps the typed email in the form', async () => {
    for (let count = 0; count < 31; count += 1) await prove('signs-in', '198.51.100.9')
    const page = await signInFrom(server, '192.0.2.1', 'signs-in')
    expect([page.status, Number(page.headers.get('Retry-After')) > 0]).toEqual([429, true])
    expect(page.body).toContain('value="signs-in@own.example"')
  })

  test('the first one of a minute causes no request to the store', async () => {
    const rows = () => server.database.knex('rate_limit').where('expires_at', '>', server.clock.now())
    expect(await prove('resident', '192.0.2.1')).toBe('proven')
    expect(await rows()).toHaveLength(0)
    expect(await prove('resident', '192.0.2.1')).toBe('proven')
    expect(await rows()).toHaveLength(1)
  })
})
