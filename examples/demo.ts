/**
 * `npm run demo`: starts the Latchkey server, unless one is running, and every example next to it,
 * until Ctrl-C.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as introspectingApi from './introspecting-api/server.ts'
import type { Running } from './listen.ts'
import * as machineClient from './machine-client/client.ts'
import * as protectedApi from './protected-api/server.ts'
import * as spa from './spa/server.ts'
import * as webApp from './web-app/server.ts'

const issuer = process.env.ISSUER ?? 'http://localhost:3000'
const startDeadlineMs = 60_000
const logFile = fileURLToPath(new URL('../.data/demo.log', import.meta.url))

class ServerDidNotStart extends Error {}

const isAnswering = (): Promise<boolean> =>
  fetch(`${issuer}/.well-known/openid-configuration`).then(
    (response) => response.ok,
    () => false,
  )

/**
 * Starts the server as a child whose output is written to a file. Throws that output when the child
 * ends or does not answer.
 */
async function startServer(): Promise<ChildProcess> {
  mkdirSync(new URL('../.data', import.meta.url), { recursive: true })
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const log = openSync(logFile, 'w')
  const child = spawn(process.execPath, [main], { stdio: ['ignore', log, log] })
  const fail = (reason: string): never => {
    child.kill()
    throw new ServerDidNotStart(`The server ${reason}:\n${readFileSync(logFile, 'utf8')}`)
  }
  const deadline = Date.now() + startDeadlineMs
  while (!(await isAnswering())) {
    if (child.exitCode !== null || child.signalCode !== null) fail('ended')
    if (Date.now() > deadline) fail(`did not answer at ${issuer} in ${startDeadlineMs / 1000} s`)
    await sleep(50)
  }
  return child
}

/** The fix, where it is known; otherwise the error itself. */
function explain(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code, port } = error as NodeJS.ErrnoException & { port?: number }
  if (code === 'EADDRINUSE')
    return `Port ${port} is in use, perhaps by another demo. Stop that program and try again: the examples' addresses are registered at Latchkey.`
  return error instanceof ServerDidNotStart ? error.message : error
}

const giveUp = (error: unknown): never => {
  console.error(explain(error))
  process.exit(1)
}

const server = (await isAnswering()) ? undefined : await startServer().catch(giveUp)
const running: Running[] = []

let isStopping = false
async function stop(exitCode: number): Promise<void> {
  if (isStopping) return
  isStopping = true
  await Promise.all(running.map((example) => example.close()))
  if (server && server.exitCode === null && server.signalCode === null) {
    server.kill('SIGTERM')
    await once(server, 'exit')
  }
  process.exit(exitCode)
}
process.on('SIGINT', () => stop(0))
process.on('SIGTERM', () => stop(0))
server?.once('exit', () => stop(isStopping ? 0 : 1))

try {
  const [web, single, api, asking] = await Promise.all([
    webApp.start({ ...webApp.developmentOptions, issuer }),
    spa.start({ ...spa.developmentOptions, issuer }),
    protectedApi.start({ ...protectedApi.developmentOptions, issuer }),
    introspectingApi.start({ ...introspectingApi.developmentOptions, issuer }),
  ])
  running.push(web, single, api, asking)
  const answer = await machineClient.callApi({ ...machineClient.developmentOptions, issuer })
  const rows = [
    ['Latchkey', issuer, server ? `log: ${logFile}` : 'was running already'],
    ['Web app', web.url, 'log in as alice@example.com, password "wonderland tea party"'],
    ['Single-page app', single.url, 'the same, with a public client'],
    ['Protected API', api.url, 'wants a token: 401 in a browser'],
    ['Introspecting API', asking.url, 'the same, and asks Latchkey about each token'],
    ['Machine client', '', `called the API: ${answer.status} ${JSON.stringify(answer.body)}`],
  ] as const
  for (const [name, url, note] of rows) console.log(`${name.padEnd(19)}${url.padEnd(25)}${note}`)
  console.log('Ctrl-C stops all of it.')
} catch (error) {
  console.error(explain(error))
  await stop(1)
}
