/** Every letter there is, from its sentences to subject, text and HTML. Nothing in one was typed by whoever asked for it, but the address. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TemplateFunction } from 'ejs'
import ejs from 'ejs'
import { atMinute } from '../clock.ts'
import type { Sentences } from '../locales.ts'
import type { FactorMethod, MailedFactor } from './intent.ts'

export const letterNames = [
  'verify',
  'already_registered',
  'recovery',
  'invitation',
  'email_change',
  'address_in_use',
  'email_changed',
  'password_changed',
  'account_leaving',
  'account_deleted',
  'sign_in_locked',
  'new_browser',
  'factor_added',
  'factor_removed',
  'factor_guessed',
  'factor_reset_requested',
  'factor_reset_due',
] as const
export type LetterName = (typeof letterNames)[number]

export type LetterFacts = Readonly<{
  /** The address that the letter is about. */
  email: string
  /** Absolute, of the issuer. */
  link?: string
  askedAtMs: number
  /** The second factor that the letter speaks of. */
  method?: FactorMethod
  /** The end of an account's grace period, or when factors may go. */
  untilMs?: number
  /** Listed with their dates. */
  factors?: readonly MailedFactor[]
}>

export type Letter = Readonly<{ subject: string; text: string; html: string }>
export type Letters = ReturnType<typeof createLetters>

type Deps = { folder: string; sentences: Sentences; issuer: string; serviceName: () => string }

export function createLetters({ folder, sentences, issuer, serviceName }: Deps) {
  const compile = (name: string, printed?: (text: unknown) => string): TemplateFunction => {
    const filename = join(folder, name)
    const options = {
      filename,
      strict: true,
      localsName: 'page',
      rmWhitespace: false,
      ...(printed && { escape: printed }),
    }
    return ejs.compile(readFileSync(filename, 'utf8'), options) as TemplateFunction
  }
  // Plain text has nothing to escape.
  const asText = compile('letter.txt.ejs', (text) => String(text ?? ''))
  const asHtml = compile('letter.html.ejs')
  const host = new URL(issuer).host

  return {
    write: (name: LetterName, { email, link, askedAtMs, method, untilMs, factors = [] }: LetterFacts): Letter => {
      const service = serviceName()
      const params = {
        email,
        service,
        host,
        at: atMinute(askedAtMs),
        ...(untilMs !== undefined && { until: atMinute(untilMs) }),
        ...(method !== undefined && {
          method: sentences.t(`mails.method.${method}`),
          factor: sentences.t(`mails.factor.${method}`),
        }),
      }
      const locals = {
        lang: sentences.lang,
        heading: sentences.t(`mails.heading.${name}`, params),
        lead: sentences.t(`mails.lead.${name}`, params),
        note: sentences.t(`mails.note.${name}`, params),
        items: factors.map(({ method, addedAt }) =>
          sentences.t('mails.item', { factor: sentences.t(`mails.factor.${method}`), at: atMinute(addedAt) }),
        ),
        foot: sentences.t('mails.foot', params),
        ...(link !== undefined && { link, button: sentences.t(`mails.button.${name}`, params) }),
      }
      return { subject: sentences.t(`mails.subject.${name}`, params), text: asText(locals), html: asHtml(locals) }
    },
  }
}
