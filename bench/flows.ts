/**
 * What is measured: one entry for each flow. `prepare` is not measured. `run` does one round of
 * requests and checks every answer.
 */
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import type { Credentials, Endpoints, Tokens } from './authorize.ts'
import { authorize } from './authorize.ts'
import type { Browser } from './browser.ts'
import { apiScope, machine, resource, web } from './development.ts'

/** One of the users (or machines) that load a server at the same time. */
export type Worker = { browser: Browser; endpoints: Endpoints; credentials?: Credentials; tokens?: Tokens }

export type Flow = {
  name: string
  description: string
  prepare?: (worker: Worker) => Promise<void>
  run: (worker: Worker) => Promise<void>
}

const webCredentials = `client_id=${web.clientId}&client_secret=${web.clientSecret}`
const machineCredentials = `client_id=${machine.clientId}&client_secret=${machine.clientSecret}`
const machineGrant = `grant_type=client_credentials&${machineCredentials}`
const jwtGrant = `${machineGrant}&${new URLSearchParams({ resource, scope: apiScope.split(' ')[0]! })}`

const authorizeAs = ({ browser, endpoints, credentials }: Worker, prompt?: string): Promise<Tokens> =>
  authorize(browser, endpoints, { ...(prompt !== undefined && { prompt }), ...(credentials && { credentials }) })

/**
 * New tokens before every measurement: an access token expires after ten minutes, and a run may
 * last longer.
 */
const takeTokens = async (worker: Worker): Promise<void> => {
  worker.tokens = await authorizeAs(worker)
}

async function sendForm({ browser }: Worker, target: string, form: string): Promise<Record<string, unknown>> {
  return JSON.parse((await browser.send('POST', target, { form })).body) as Record<string, unknown>
}

const proofKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const proofHeader = encoded({ alg: 'ES256', typ: 'dpop+jwt', jwk: proofKey.publicKey.export({ format: 'jwk' }) })

/** A DPoP proof for a POST to `htu` (RFC 9449 §4.2). */
function makeProof(htu: string): string {
  const claims = { htm: 'POST', htu, iat: Math.floor(Date.now() / 1000), jti: randomUUID() }
  const signed = `${proofHeader}.${encoded(claims)}`
  const key = { key: proofKey.privateKey, dsaEncoding: 'ieee-p1363' } as const
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}

const mostSignIns = 4
let signIns = 0
const waiting: (() => void)[] = []

/**
 * Limits the sign-ins at the same time: more would fill the hash queue, and its refusals are not
 * speed.
 */
async function oneOfFew(work: () => Promise<unknown>): Promise<void> {
  if (signIns >= mostSignIns) await new Promise<void>((resolve) => waiting.push(resolve))
  else signIns += 1
  try {
    await work()
  } finally {
    const next = waiting.shift()
    if (next) next()
    else signIns -= 1
  }
}

function must(isRight: boolean, what: string): void {
  if (!isRight) throw new Error(what)
}

export const flows: readonly Flow[] = [
  {
    name: 'client_credentials',
    description: 'an opaque access token for a machine, stored',
    async run(worker) {
      const { access_token } = await sendForm(worker, worker.endpoints.token_endpoint, machineGrant)
      must(typeof access_token === 'string' && !access_token.includes('.'), 'no opaque token')
    },
  },
  {
    name: 'client_credentials_jwt',
    description: 'a JWT access token (ES256) for an API, nothing stored',
    async run(worker) {
      const { access_token } = await sendForm(worker, worker.endpoints.token_endpoint, jwtGrant)
      must(String(access_token).split('.').length === 3, 'no JWT')
    },
  },
  {
    name: 'client_credentials_dpop',
    description: 'an opaque access token for a machine, bound to a key: each request with a proof of its own (ES256)',
    async run({ browser, endpoints }) {
      const headers = { dpop: makeProof(endpoints.token_endpoint) }
      const { body } = await browser.send('POST', endpoints.token_endpoint, { form: machineGrant, headers })
      must((JSON.parse(body) as { token_type?: string }).token_type === 'DPoP', 'not bound')
    },
  },
  {
    name: 'refresh',
    description: 'rotation, an opaque access token, an ID token (RS256); one family a worker',
    prepare: takeTokens,
    async run(worker) {
      const form = `grant_type=refresh_token&refresh_token=${worker.tokens!.refresh_token}&${webCredentials}`
      const tokens = (await sendForm(worker, worker.endpoints.token_endpoint, form)) as Tokens
      must(tokens.refresh_token !== worker.tokens!.refresh_token && Boolean(tokens.id_token), 'not rotated')
      worker.tokens = tokens
    },
  },
  {
    name: 'code',
    description:
      'the whole code flow in 8 requests: authorize, choose the account (page, form), resume, consent (page, form), resume, token;' +
      ' the person is logged in already, so that no password is hashed',
    prepare: takeTokens,
    async run(worker) {
      await authorizeAs(worker, 'select_account consent')
    },
  },
  {
    name: 'sign_in',
    description:
      'the code flow in 5 requests, with a password that is hashed: authorize, sign in (page, form), resume, token',
    prepare: takeTokens,
    async run(worker) {
      await oneOfFew(() => authorizeAs(worker, 'login'))
    },
  },
  {
    name: 'userinfo',
    description: 'claims for an opaque access token',
    prepare: takeTokens,
    async run({ browser, endpoints, tokens }) {
      const headers = { authorization: `Bearer ${tokens!.access_token}` }
      const { body } = await browser.send('GET', endpoints.userinfo_endpoint, { headers })
      must(typeof JSON.parse(body).sub === 'string', 'no sub')
    },
  },
  {
    name: 'introspection_jwt',
    description:
      'of a JWT of a machine, with its denials; on the bare engine, which cannot, of an opaque token of a machine',
    async prepare(worker) {
      const { token_endpoint, introspection_endpoint } = worker.endpoints
      const take = async (grant: string) => (await sendForm(worker, token_endpoint, grant)) as unknown as Tokens
      const jwt = await take(jwtGrant)
      const form = `token=${jwt.access_token}&${machineCredentials}`
      const isAnswered = await sendForm(worker, introspection_endpoint, form).then(
        ({ active }) => active === true,
        () => false,
      )
      worker.tokens = isAnswered ? jwt : await take(machineGrant)
    },
    async run(worker) {
      const form = `token=${worker.tokens!.access_token}&${machineCredentials}`
      const { active } = await sendForm(worker, worker.endpoints.introspection_endpoint, form)
      must(active === true, 'not active')
    },
  },
  {
    name: 'introspection',
    description: 'of an opaque access token of a person, without a hint',
    prepare: takeTokens,
    async run(worker) {
      const form = `token=${worker.tokens!.access_token}&${webCredentials}`
      const { active } = await sendForm(worker, worker.endpoints.introspection_endpoint, form)
      must(active === true, 'not active')
    },
  },
]
