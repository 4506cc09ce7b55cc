/** The SMTP transport to one server, with timeouts. */
import type { Transporter } from 'nodemailer'
import type { SmtpServer } from '../config/email.ts'

export type Message = Readonly<{
  /** The same at every attempt, so that a mail server can detect a repetition. */
  id: string
  from: Readonly<{ name: string; address: string }>
  to: string
  subject: string
  text: string
  html: string
}>

export type Transport = {
  /** Resolves when the server has accepted the message. */
  send: (message: Message) => Promise<void>
  /** Connects, and signs in if credentials are configured. Rejects with the error. */
  check: () => Promise<void>
}

export function createTransport({ host, port, isSecure, isTlsRequired, user, password }: SmtpServer): Transport {
  const options = {
    host,
    port,
    secure: isSecure,
    requireTLS: isTlsRequired,
    tls: { minVersion: 'TLSv1.2' as const },
    ...(user !== undefined && { auth: { user, pass: password ?? '' } }),
    connectionTimeout: 5_000,
    greetingTimeout: 5_000,
    socketTimeout: 15_000,
    // Nothing in a message may be loaded from a file or URL.
    disableFileAccess: true,
    disableUrlAccess: true,
  }
  let opening: Promise<Transporter> | undefined
  // Loaded with the first email: the package takes megabytes, and many servers rarely send one.
  const open = () => {
    opening ??= import('nodemailer').then(({ default: nodemailer }) => nodemailer.createTransport(options))
    return opening
  }
  return {
    send: async ({ id, from, to, subject, text, html }) => {
      const transporter = await open()
      await transporter.sendMail({
        messageId: `<${id}@${from.address.split('@')[1]}>`,
        from: { ...from },
        // An object, because a string is parsed and could contain two addresses.
        to: { name: '', address: to },
        subject,
        text,
        html,
        // RFC 3834 §5: prevents vacation replies.
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
      })
    },
    check: async () => {
      const transporter = await open()
      await transporter.verify()
    },
  }
}

/** Whether the server rejected the recipient or message permanently (RFC 5321 §4.2.1). */
export function isRefusedForGood(error: unknown): boolean {
  const { code, responseCode = 0 } = Object(error) as { code?: string; responseCode?: number }
  return (code === 'EENVELOPE' || code === 'EMESSAGE') && responseCode >= 500 && responseCode < 600
}
