/**
 * The login load, in its own process: the given number of users sign in at once, again and again,
 * for the given time.
 */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoints } from './authorize.ts'
import { openLogin } from './authorize.ts'
import { createBrowser } from './browser.ts'
import { ipHeader, personOf } from './people.ts'

export type FireOrder = {
  issuer: string
  /** Logins in progress at the same time. */
  logins: number
  seconds: number
  group: string
  people: number
  /**
   * The wait of a client after a 503, in place of the time in Retry-After; without it, that time.
   */
  startTimeoutMs: number | undefined
}

export type Fire = {
  /** Milliseconds from sending a login's form to its answer. */
  signedIn: number[]
  /** The same for logins that were answered 503 with Retry-After. */
  sentAway: number[]
  /** Values of Retry-After, in seconds. */
  retryAfter: number[]
  /** Other answers, and the first of them. */
  failures: number
  firstFailure: string | undefined
}

export type FireReply = { ready: true } | { fire: Fire } | { failure: string }

let tries = 0

async function burn({ issuer, logins, seconds, group, people, startTimeoutMs }: FireOrder): Promise<Fire> {
  const endpoints = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as Endpoints
  const agent = new Agent({ keepAlive: true, maxSockets: logins })
  const fire: Fire = { signedIn: [], sentAway: [], retryAfter: [], failures: 0, firstFailure: undefined }
  const open = async () => {
    tries += 1
    const submit = await openLogin(createBrowser(issuer, agent, ipHeader(tries)), endpoints)
    return { submit, who: personOf(group, tries % people) }
  }
  // All pages are open before the first form is sent, so that all forms are sent at once.
  const pages = await Promise.all(Array.from({ length: logins }, open))
  const endsAt = performance.now() + seconds * 1000
  const isOver = () => performance.now() > endsAt
  await Promise.all(
    pages.map(async (first) => {
      for (let page = first; ; page = await open()) {
        for (;;) {
          const { status, ms, headers, body } = await page.submit(page.who, [503])
          const isIn = status === 200 && body.includes('http-equiv="refresh"')
          const retryAfter = Number(headers['retry-after'])
          if (isIn) fire.signedIn.push(ms)
          else if (status === 503 && retryAfter > 0) {
            fire.sentAway.push(ms)
            fire.retryAfter.push(retryAfter)
          } else {
            fire.failures += 1
            fire.firstFailure ??= `${status} ${body}`
          }
          if (isIn || isOver()) break
          // Spread out, because users do not retry in step.
          await sleep((startTimeoutMs ?? retryAfter * 1000) * (0.5 + Math.random()))
        }
        if (isOver()) return
      }
    }),
  )
  agent.destroy()
  return fire
}

process.on('message', (order: FireOrder) => {
  burn(order).then(
    (fire) => process.send?.({ fire }),
    (error: Error) => process.send?.({ failure: error.message }),
  )
})
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
