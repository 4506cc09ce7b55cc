/** Pages: EJS files compiled once, given their data and the catalogue, answered with the headers a page needs. */
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
  /** Answers with a page. The status is the handler's, 200 unless it set another. */
  render: <N extends PageName>(ctx: Context, page: N, locals: PageLocals[N]) => void
}

type Deps = {
  /** The folder `views/`. */
  folder: string
  /** Files that pages include from elsewhere, by the path they are included with. */
  partials?: Readonly<Record<string, string>>
  sentences: Sentences
  csrf: Csrf
  /** The address of a file in `views/assets/`. */
  assetUrl: (name: string) => string
  issuer: string
  /** What this service calls itself; an administrator may change it at run time. */
  serviceName: () => string
  /** What a password that is being chosen must be; each has its sentence at `pages.newPassword.rules.<rule>`. */
  passwordRules: () => readonly Readonly<{ rule: string; params?: SentenceParams }>[]
}

export function createViews(deps: Deps): Views {
  const { folder, partials = {}, sentences, csrf, assetUrl, issuer, serviceName, passwordRules } = deps
  const templates = new Map<PageName, TemplateFunction>(
    pageNames.map((name) => {
      const filename = join(folder, `${name}.ejs`)
      // Strict and with one name for all data: a page can name nothing that was not handed to it.
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
        // Asked for by the pages where a password is chosen.
        passwordRules,
        // Made only where a form asks for it: an error page sets no cookie.
        csrfToken: () => csrf.tokenFor(ctx),
      })
      if (name === 'form-post') allowForeignFormTarget(ctx)
      ctx.type = 'html'
      ctx.body = html
    },
  }
}
