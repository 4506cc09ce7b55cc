/** The email templates: subject, text and HTML. The only typed text in an email is the address. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TemplateFunction } from 'ejs'
import ejs from 'ejs'
import { atMinute } from '../clock.ts'
import type { Sentences } from '../locales.ts'
import type { FactorMethod, ListedFactor } from './intent.ts'

export const emailTemplateNames = [
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
export type EmailTemplateName = (typeof emailTemplateNames)[number]

export type EmailTemplateData = Readonly<{
  /** The email address in the text. */
  email: string
  /** An absolute URL of the issuer. */
  link?: string
  askedAtMs: number
  /** The second factor in the text. */
  method?: FactorMethod
  /** The end of an account's grace period, or the time from which factors may be removed. */
  untilMs?: number
  /** Listed with their dates. */
  factors?: readonly ListedFactor[]
}>

export type EmailContent = Readonly<{ subject: string; text: string; html: string }>
export type EmailTemplates = ReturnType<typeof createEmailTemplates>

type Deps = { folder: string; sentences: Sentences; issuer: string; serviceName: () => string }

export function createEmailTemplates({ folder, sentences, issuer, serviceName }: Deps) {
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
  // Plain text needs no escaping.
  const asText = compile('message.txt.ejs', (text) => String(text ?? ''))
  const asHtml = compile('message.html.ejs')
  const host = new URL(issuer).host

  return {
    write: (
      name: EmailTemplateName,
      { email, link, askedAtMs, method, untilMs, factors = [] }: EmailTemplateData,
    ): EmailContent => {
      const service = serviceName()
      const params = {
        email,
        service,
        host,
        at: atMinute(askedAtMs),
        ...(untilMs !== undefined && { until: atMinute(untilMs) }),
        ...(method !== undefined && {
          method: sentences.t(`emails.method.${method}`),
          factor: sentences.t(`emails.factor.${method}`),
        }),
      }
      const locals = {
        lang: sentences.lang,
        heading: sentences.t(`emails.heading.${name}`, params),
        lead: sentences.t(`emails.lead.${name}`, params),
        note: sentences.t(`emails.note.${name}`, params),
        items: factors.map(({ method, addedAt }) =>
          sentences.t('emails.item', { factor: sentences.t(`emails.factor.${method}`), at: atMinute(addedAt) }),
        ),
        foot: sentences.t('emails.foot', params),
        ...(link !== undefined && { link, button: sentences.t(`emails.button.${name}`, params) }),
      }
      return { subject: sentences.t(`emails.subject.${name}`, params), text: asText(locals), html: asHtml(locals) }
    },
  }
}
