/** The SMTP server, whether TLS is required, and the sender. */
import { isPrivate } from './hosts.ts'
import type { Source } from './source.ts'

export type SmtpServer = Readonly<{
  host: string
  port: number
  /** TLS from the first byte (`smtps:`). */
  isSecure: boolean
  /** Requires STARTTLS (RFC 3207): no password and no link crosses the internet in plain text. */
  isTlsRequired: boolean
  user: string | undefined
  password: string | undefined
}>

// Allows nothing that needs quoting, so that the value cannot add a second address or a header.
const senderAddress = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$/

/**
 * SMTP_URL, or undefined: then no email is sent. A query is refused, because the transport would
 * read options from it that turn off verification.
 */
export function readSmtpServer(source: Source): SmtpServer | undefined {
  const stated = source.stated('SMTP_URL')
  if (!stated) return undefined
  const url = URL.parse(stated)
  const isSecure = url?.protocol === 'smtps:'
  const isPlainUrl = url && (isSecure || url.protocol === 'smtp:') && url.hostname && !url.search && !url.hash
  if (!isPlainUrl || (url.pathname !== '' && url.pathname !== '/'))
    return source.problem('SMTP_URL', 'smtp_url_malformed')
  const [user, password] = [unescapePart(url.username), unescapePart(url.password)]
  if (user === undefined || password === undefined) return source.problem('SMTP_URL', 'smtp_url_malformed')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return Object.freeze({
    host,
    port: url.port === '' ? (isSecure ? 465 : 587) : Number(url.port),
    isSecure,
    isTlsRequired: !isSecure && !isPrivate(host),
    user: user || undefined,
    password: password || undefined,
  })
}

/** The sender's email address. The sender's name is the setting `serviceName`. */
export function readEmailFrom(source: Source, issuer: string | undefined): string | undefined {
  const stated = source.stated('MAIL_FROM')
  if (stated === undefined) return `no-reply@${issuer === undefined ? 'localhost' : new URL(issuer).hostname}`
  return senderAddress.test(stated) ? stated : source.problem('MAIL_FROM', 'mail_from_malformed')
}

function unescapePart(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    // A wrong escape: the caller reports the variable.
    return undefined
  }
}
