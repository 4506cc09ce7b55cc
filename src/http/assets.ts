/**
 * Files that a page loads: read once at start, with a URL that contains the digest of their
 * content.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { z } from 'zod'
import { notFound } from './errors.ts'
import type { Route } from './route.ts'
import { asset } from './route.ts'

export type Assets = {
  /** The URL of the file `name`. Throws for a file that does not exist. */
  url: (name: string) => string
  routes: readonly Route[]
}

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The name in the URL of any version; empty when there is no digest. */
const withoutDigest = (hashedName: string): string =>
  /^(.+)\.[\w-]{16}(\.[a-z]+)$/.exec(hashedName)?.slice(1).join('') ?? ''

/** `others` are files of packages, by the name that a page uses. */
export function loadAssets(folder: string, others: Readonly<Record<string, string>> = {}): Assets {
  const own = readdirSync(folder).map((name) => [name, join(folder, name)] as const)
  const files = [...own, ...Object.entries(others)].map(([name, path]) => {
    const type = types[extname(name)]
    if (!type) throw new Error(`views/assets/${name}: no media type for this kind of file`)
    const content = readFileSync(path)
    const digest = createHash('sha256').update(content).digest('base64url').slice(0, 16)
    return { name, type, content, etag: `"${digest}"`, hashedName: name.replace(/(?=\.[^.]+$)/, `.${digest}`) }
  })
  const byName = new Map(files.map((file) => [file.name, file]))
  const byHashedName = new Map(files.map((file) => [file.hashedName, file]))

  const file = asset({
    path: '/assets/:file',
    name: 'asset',
    access: 'public',
    params: z.strictObject({ file: z.string().max(200) }),
    handler: (ctx, { params }) => {
      const current = byHashedName.get(params.file)
      const found = current ?? byName.get(withoutDigest(params.file))
      if (!found) throw notFound()
      ctx.status = 200
      if (!current) {
        // During a deploy the page may come from a process of another version.
        ctx.set('Cache-Control', 'no-store')
        ctx.type = found.type
        ctx.body = found.content
        return
      }
      // The URL changes with the content (RFC 8246), so a browser never has to ask again.
      ctx.set('Cache-Control', 'public, max-age=31536000, immutable')
      ctx.set('ETag', found.etag)
      if (ctx.fresh) {
        ctx.status = 304
        return
      }
      ctx.type = found.type
      ctx.body = found.content
    },
  })

  return {
    routes: [file],
    url: (name) => {
      const file = byName.get(name)
      if (!file) throw new Error(`there is no views/assets/${name}`)
      return `/assets/${file.hashedName}`
    },
  }
}
