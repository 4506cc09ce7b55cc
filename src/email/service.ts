/** The mailer: renders an intent's email with a new link and sends it through the mail server. */
import { Counter, Histogram } from 'prom-client'
import type { Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Transaction } from '../database/database.ts'
import type { EmailLinks } from '../email-links/service.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { DevOutbox } from './dev-outbox.ts'
import type { EmailIntent } from './intent.ts'
import type { Plan } from './plans.ts'
import { createPlans } from './plans.ts'
import type { EmailTemplates } from './templates.ts'
import type { Message, Transport } from './transport.ts'
import { isRefusedForGood } from './transport.ts'

type Deps = {
  accounts: Pick<Accounts, 'findByEmail' | 'findById' | 'readById'>
  emailLinks: EmailLinks
  transaction: Transaction
  audit: Audit
  emailTemplates: EmailTemplates
  /** Undefined when no mail server is configured. */
  transport: Transport | undefined
  /** Only in development. */
  devOutbox: DevOutbox | undefined
  issuer: string
  from: string
  serviceName: () => string
  /** Returns the address for the mail server, or undefined for an invalid one. */
  readMailbox: (email: string) => Readonly<{ wire: string }> | undefined
  clock: Clock
  metrics: Metrics
  log: Log
}

type Attempt = { id: string; attempt: number; signal: AbortSignal }

/** After this time an unsent email is dropped. */
const staleAfterMs = 24 * 60 * 60 * 1000

export function createMailer(deps: Deps) {
  const {
    transaction,
    emailLinks,
    audit,
    emailTemplates,
    transport,
    devOutbox,
    issuer,
    from,
    serviceName,
    clock,
    log,
  } = deps
  const planFor = createPlans(deps)
  const { emails, seconds } = measure(deps.metrics)

  /**
   * Creates and audits the link just before sending. Undefined when the limit of emails is reached.
   */
  async function linkOf(
    { link, counted, event }: Plan,
    isRepetition: boolean,
    askedAtMs: number,
  ): Promise<{ link?: string } | undefined> {
    if (counted) {
      const isWithin = await transaction((tx) => emailLinks.mint(tx, counted.as ?? 'notice', counted, isRepetition))
      if (isWithin === undefined) return undefined
    }
    if (!link) return {}
    if ('path' in link) return { link: issuer + link.path }
    const token = await transaction(async (tx) => {
      const made = await emailLinks.mint(tx, link.purpose, link.to, isRepetition, askedAtMs)
      if (made && event && !isRepetition) await audit.record(tx, event)
      return made
    })
    if (token === undefined) return undefined
    const query = new URLSearchParams({ token, ...(link.interactionUid !== undefined && { go: link.interactionUid }) })
    return { link: `${issuer}${link.page}?${query}` }
  }

  async function sendOrStop(message: Message, signal: AbortSignal): Promise<void> {
    if (!transport) return
    const stopped = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('the process stops')), { once: true })
    })
    const end = seconds.startTimer()
    try {
      await Promise.race([transport.send(message), stopped])
    } finally {
      end()
    }
  }

  return {
    /** Whether emails are delivered. Pages that need email are not offered otherwise. */
    canSend: transport !== undefined || devOutbox !== undefined,

    /** Sends one intent. Throws the mail server's error when another attempt may succeed. */
    post: async (intent: EmailIntent, { id, attempt, signal }: Attempt): Promise<void> => {
      const labels = { mail: intent.mail, mailId: id, attempt }
      const note = (outcome: string, level: 'debug' | 'warn', text: string, more: object = {}) => {
        emails.inc({ mail: intent.mail, outcome })
        log[level]({ ...labels, ...more }, text)
      }
      if (!transport && !devOutbox) return note('unsent', 'warn', 'an email was not sent, because SMTP_URL is not set')
      if (clock.now() - intent.askedAtMs > staleAfterMs)
        return note('stale', 'warn', 'an email has become too old to send')
      const plan = await planFor(intent)
      if (!plan) return note('nobody', 'debug', 'an email has no recipient')
      const to = deps.readMailbox(plan.to)?.wire
      if (to === undefined) return note('nobody', 'warn', 'the recipient of an email is not an email address')
      const linked = await linkOf(plan, attempt > 1, intent.askedAtMs)
      if (!linked) return note('limited', 'warn', 'an email was not sent, because the recipient has reached the limit')
      const { link } = linked
      const content = emailTemplates.write(plan.template, {
        email: plan.about,
        askedAtMs: intent.askedAtMs,
        ...linked,
        ...(plan.method !== undefined && { method: plan.method }),
        ...(plan.untilMs !== undefined && { untilMs: plan.untilMs }),
        ...(plan.factors && { factors: plan.factors }),
      })
      const message = { id, from: { name: serviceName(), address: from }, to: plan.to, ...content }
      try {
        await sendOrStop({ ...message, to }, signal)
      } catch (error) {
        // The server's message may contain the recipient, so only the code is logged.
        const { code, responseCode } = Object(error) as { code?: string; responseCode?: number }
        if (isRefusedForGood(error)) {
          return note('refused', 'warn', 'the mail server permanently refuses an email', {
            errorCode: code,
            reply: responseCode,
          })
        }
        emails.inc({ mail: intent.mail, outcome: 'failed' })
        throw new EmailNotSent(code, responseCode)
      }
      devOutbox?.add(message, link)
      note('sent', 'debug', 'an email was sent')
    },
  }
}

/** For the queue's log and row, which must not contain an email address. */
class EmailNotSent extends Error {
  constructor(code: string | undefined, responseCode: number | undefined) {
    super(`the mail server did not accept an email: ${[code ?? 'no code', responseCode].filter(Boolean).join(' ')}`)
    this.name = 'EmailNotSent'
  }
}

function measure(metrics: Metrics) {
  return {
    emails: new Counter({
      name: 'latchkey_mails_total',
      help: 'Emails by outcome: sent, failed (retried), refused (permanently), limited, nobody (no recipient), stale, unsent (no server)',
      labelNames: ['mail', 'outcome'],
      registers: [metrics],
    }),
    seconds: new Histogram({
      name: 'latchkey_mail_seconds',
      help: 'How long the mail server takes for one email',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
      registers: [metrics],
    }),
  }
}
