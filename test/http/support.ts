/** A small server with the middleware of `src/http/`, and a test clock and log. */
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import type { Middleware } from 'koa'
import Koa from 'koa'
import type { AccessGuards } from '../../src/access/access.ts'
import { permissions } from '../../src/access/permissions.ts'
import { captchaFiles } from '../../src/captcha/files.ts'
import { accessLog, createRequestLog } from '../../src/http/access-log.ts'
import { loadAssets } from '../../src/http/assets.ts'
import { createCsrf } from '../../src/http/csrf.ts'
import { answerErrors } from '../../src/http/errors.ts'
import { securityHeaders } from '../../src/http/headers.ts'
import { clientIp, createIpOf, pinToIssuer } from '../../src/http/ip.ts'

import type { PageLocals, PageName } from '../../src/http/pages.ts'
import type { Route } from '../../src/http/route.ts'
import { page } from '../../src/http/route.ts'
import { createRouter, mountRoutes } from '../../src/http/route-mount.ts'
import { answerUnparsable, serverOptions } from '../../src/http/server.ts'
import type { Views } from '../../src/http/views.ts'
import { createViews } from '../../src/http/views.ts'
import { createSentences } from '../../src/locales.ts'
import { createLog } from '../../src/log.ts'
import { factorViews } from '../../src/mfa/methods/index.ts'
import { passkeyFiles } from '../../src/mfa/methods/passkey/files.ts'
import type { ShownRule } from '../../src/passwords/composition-rules.ts'
import { systemRandom } from '../../src/random.ts'

export type TestServer = {
  origin: string
  port: number
  /** Everything logged so far, parsed. */
  logLines: () => Record<string, unknown>[]
  /** Sends these exact bytes and returns the whole response. */
  sendRaw: (text: string) => Promise<string>
  close: () => Promise<void>
}

type Options = {
  issuer?: string
  routes?: (parts: { views: Views }) => readonly Route[]
  trustProxy?: readonly string[]
  guards?: AccessGuards
  /** Mounted in place of the engine, after the routes. */
  engine?: Middleware[]
}

const views = new URL('../../views', import.meta.url).pathname

export async function startTestServer(options: Options = {}): Promise<TestServer> {
  const { issuer = 'https://login.example.com', trustProxy = [], engine = [], guards = {} } = options
  const lines: string[] = []
  const log = createLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } })
  const sentences = createSentences({ isStrict: true })
  const csrf = createCsrf({ key: createHmac('sha256', 'test').digest(), issuer, random: systemRandom })
  const assets = loadAssets(`${views}/assets`, { ...captchaFiles(), ...passkeyFiles() })
  const pages = createViews({
    folder: views,
    partials: factorViews(),
    sentences,
    csrf,
    assetUrl: assets.url,
    issuer,
    serviceName: () => 'Latchkey',
    passwordRules: (): ShownRule[] => [
      { rule: 'minimum', params: { minimum: 12, maximum: 128 } },
      ...['uppercase', 'lowercase', 'digit', 'special', 'breached'].map((rule) => ({ rule })),
      { rule: 'context', params: { service: 'Latchkey' } },
    ],
  })
  const router = createRouter()
  mountRoutes(router, [...assets.routes, ...(options.routes?.({ views: pages }) ?? [])], {
    csrf,
    permissions,
    guards,
  })

  const app = new Koa()
  pinToIssuer(app, issuer)
  const clock = { now: () => Date.now() }
  app.use(clientIp(createIpOf(trustProxy)))
  app.use(accessLog({ logRequest: createRequestLog({ log, clock }), clock, random: systemRandom }))
  app.use(securityHeaders({ issuer, openerPaths: ['/authorize', '/interaction'], cacheablePaths: ['/jwks'] }))
  app.use(answerErrors({ views: pages, sentences, log, isProtocolPath: (path) => path === '/token' }))
  app.use(router.routes())
  for (const middleware of engine) app.use(middleware)

  const server = createServer(serverOptions, app.callback())
  answerUnparsable(server)
  const port = await listen(server)
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    logLines: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    sendRaw: (text) => sendRaw(port, text),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function sendRaw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.end(text)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** A route that shows `page`, for tests of pages. */
export const pageRoute = <N extends PageName>(views: Views, path: string, name: N, locals: PageLocals[N]): Route =>
  page({
    path,
    name: path,
    access: 'public',
    handler: (ctx) => views.render(ctx, name, locals),
  })
