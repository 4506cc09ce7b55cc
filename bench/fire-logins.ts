/** The fire, a process of its own: as many people as it is told sign in at once, again and again, for as long as it is told. */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoints } from './authorize.ts'
import { openLogin } from './authorize.ts'
import { createBrowser } from './browser.ts'
import { ipHeader, personOf } from './people.ts'

export type FireOrder = {
  issuer: string
  /** Logins under way at the same time. */
  logins: number
  seconds: number
  group: string
  people: number
  /** How long somebody who is told to come back waits, whatever was said to them; without it, what was said. */
  startTimeoutMs: number | undefined
}

export type Fire = {
  /** Milliseconds from a login's form to its answer. */
  signedIn: number[]
  /** The same for those that were told to come back (503 with Retry-After). */
  sentAway: number[]
  /** What Retry-After said, in seconds. */
  retryAfter: number[]
  /** Answers that were neither, and the first of them. */
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
  // All pages stand open before the first form is sent: all come at once.
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
          // Not all at the same moment again: people do not come back in step.
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
