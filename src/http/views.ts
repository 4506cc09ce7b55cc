/**
 * Pages: EJS files, compiled once, filled with data and texts, and sent with the headers of a page.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TemplateFunction } from 'ejs'
import ejs from 'ejs'
import type { Context } from 'koa'
import type { SentenceParams, Sentences } from '../locales.ts'
import type { Csrf } from './csrf.ts'
import { allowForeignFormTarget } from './headers.ts'
import type { PageLocals, PageName } from './pages.ts'
import { pageNames } from './pages.ts'

export type Views = {
  /** Sends a page. The status is the handler's, by default 200. */
  render: <N extends PageName>(ctx: Context, page: N, locals: PageLocals[N]) => void
}

type Deps = {
  /** The folder `views/`. */
  folder: string
  /** Files outside the folder that pages include, by their include path. */
  partials?: Readonly<Record<string, string>>
  sentences: Sentences
  csrf: Csrf
  /** The URL of a file in `views/assets/`. */
  assetUrl: (name: string) => string
  issuer: string
  /** The name of this service; an administrator may change it at run time. */
  serviceName: () => string
  /** The rules for a new password; the text of each is `pages.newPassword.rules.<rule>`. */
  passwordRules: () => readonly Readonly<{ rule: string; params?: SentenceParams }>[]
}

export function createViews(deps: Deps): Views {
  const { folder, partials = {}, sentences, csrf, assetUrl, issuer, serviceName, passwordRules } = deps
  const templates = new Map<PageName, TemplateFunction>(
    pageNames.map((name) => {
      const filename = join(folder, `${name}.ejs`)
      // Strict, with one name for all data: a page can only use data that it received.
      const options = {
        filename,
        root: folder,
        includer: (path: string, parsed: string) => ({ filename: partials[path] ?? parsed }),
        cache: true,
        strict: true,
        localsName: 'page',
        rmWhitespace: true,
        async: false,
      }
      return [name, ejs.compile(readFileSync(filename, 'utf8'), options) as TemplateFunction]
    }),
  )
  const issuerHost = new URL(issuer).host
  return {
    render: (ctx, name, locals) => {
      const html = templates.get(name)!({
        ...locals,
        t: sentences.t,
        has: sentences.has,
        lang: sentences.lang,
        asset: assetUrl,
        serviceName: serviceName(),
        issuerHost,
        // Called by the pages where the user chooses a password.
        passwordRules,
        // Created only when a form uses it: an error page sets no cookie.
        csrfToken: () => csrf.tokenFor(ctx),
      })
      if (name === 'form-post') allowForeignFormTarget(ctx)
      ctx.type = 'html'
      ctx.body = html
    },
  }
}
