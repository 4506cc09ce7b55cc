/**
 * Serves the single-page app: a few files and the library's own browser bundle. There is no build
 * step.
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Running } from '../listen.ts'
import { listen } from '../listen.ts'

export type SpaOptions = { issuer: string; port: number; clientId: string; scope: string }

/** The values of the development seed. */
export const developmentOptions: SpaOptions = {
  issuer: 'http://localhost:3000',
  port: 3002,
  clientId: 'demo-spa',
  scope: 'openid profile email',
}

const own = (name: string): URL => new URL(`./${name}`, import.meta.url)
const bundle = new URL('../browser/oidc-client-ts.min.js', import.meta.resolve('oidc-client-ts'))

const files: Record<string, { file: URL; type: string }> = {
  '/': { file: own('index.html'), type: 'text/html; charset=utf-8' },
  '/callback': { file: own('index.html'), type: 'text/html; charset=utf-8' },
  '/app.js': { file: own('app.js'), type: 'text/javascript; charset=utf-8' },
  '/oidc-client-ts.js': { file: bundle, type: 'text/javascript; charset=utf-8' },
}

/** Starts serving. Only the browser calls the authorization server at `issuer`. */
export async function start({ issuer, port, clientId, scope }: SpaOptions): Promise<Running> {
  const policy = `default-src 'none'; script-src 'self'; connect-src 'self' ${issuer}; img-src data:; base-uri 'none'; frame-ancestors 'none'`
  return listen(port, async (req, res) => {
    const path = new URL(req.url ?? '/', issuer).pathname
    const headers = { 'content-security-policy': policy, 'cache-control': 'no-store' }
    if (path === '/config.json') {
      res.writeHead(200, { ...headers, 'content-type': 'application/json' })
      return void res.end(JSON.stringify({ issuer, clientId, scope }))
    }
    const entry = files[path]
    if (!entry) return void res.writeHead(404, headers).end()
    res.writeHead(200, { ...headers, 'content-type': entry.type })
    res.end(await readFile(fileURLToPath(entry.file)))
  })
}

if (import.meta.main) {
  const { ISSUER: issuer = developmentOptions.issuer, PORT: port = developmentOptions.port } = process.env
  const { url } = await start({ ...developmentOptions, issuer, port: Number(port) })
  console.log(`Single-page app: ${url}`)
}
