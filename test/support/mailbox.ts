/** A real SMTP server for the tests: accepts, refuses or disconnects, and decodes messages. */
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { SMTPServerOptions } from 'smtp-server'
import { SMTPServer } from 'smtp-server'
import type { EmailTemplateName } from '../../src/email/templates.ts'
import { releasedAtEnd } from './cleanup.ts'
import { sentence } from './sentences.ts'
import { waitFor } from './wait.ts'

export type ReceivedEmail = {
  from: string
  /** The recipients of the envelope. */
  to: string[]
  headers: Record<string, string>
  /** The raw message as it was sent. */
  raw: string
  subject: string
  text: string
  html: string
  /** The first link to the issuer in the text. */
  link: string | undefined
}

export type Mailbox = Awaited<ReturnType<typeof startMailbox>>

/**
 * How the server answers: accepts, refuses each recipient (550, or 451 for a while), or hangs up.
 */
type Mood = 'well' | 'refusing' | 'busy' | 'hanging up'

export async function startMailbox(options: SMTPServerOptions = {}) {
  const emails: ReceivedEmail[] = []
  let mood: Mood = 'well'
  let attempts = 0
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    onRcptTo: ({ address: email }, _session, done) => {
      attempts += 1
      if (mood === 'refusing') return done(Object.assign(new Error(`no such user ${email}`), { responseCode: 550 }))
      if (mood === 'busy') return done(Object.assign(new Error(`try later ${email}`), { responseCode: 451 }))
      done()
    },
    onData: (stream, session, done) => {
      text(stream).then((raw) => {
        const { mailFrom, rcptTo } = session.envelope
        if (mood === 'well')
          emails.push(
            parse(
              raw,
              mailFrom ? mailFrom.address : '',
              rcptTo.map(({ address: email }) => email),
            ),
          )
        done()
      }, done)
    },
    onConnect: (_session, done) => done(mood === 'hanging up' ? new Error('not now') : undefined),
    ...options,
  })
  // A client may close the connection at any time.
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo

  const to = (email: string) =>
    emails.filter((message) => message.to.some((one) => one.toLowerCase() === email.toLowerCase()))
  const listOf = (email: string, name: EmailTemplateName): ReceivedEmail[] => {
    const wanted = sentence(`emails.subject.${name}`)
    return to(email).filter(({ subject }) => subject === wanted)
  }
  return {
    url: `smtp://127.0.0.1:${port}`,
    emails,
    to,
    attempts: () => attempts,
    setMood: (next: Mood) => {
      mood = next
    },
    /** The emails to `email` with the subject `emails.subject.<name>`. */
    listOf,
    /**
     * The newest of these emails, once `count` of them have arrived. Parallel emails arrive in any
     * order, so a test waits for one email before it requests another with the same subject.
     */
    waitFor: (email: string, name: EmailTemplateName, { count = 1 } = {}): Promise<ReceivedEmail> => {
      const check = () => {
        const found = listOf(email, name)
        if (found.length >= count) return found.at(-1)
        throw new Error(`received: ${JSON.stringify(to(email).map(({ subject }) => subject))}`)
      }
      return waitFor(check, { what: `email ${count} of "${name}" to ${email}` })
    },
    close: releasedAtEnd(() => new Promise<void>((resolve) => server.close(() => resolve()))),
  }
}

/** Parses the part of RFC 5322 and MIME that the server's own emails need. */
function parse(raw: string, from: string, to: string[]): ReceivedEmail {
  const { headers, body } = split(raw)
  const boundary = /boundary="?([^";]+)"?/.exec(headers['content-type'] ?? '')?.[1]
  const parts =
    boundary === undefined
      ? [raw]
      : body
          .split(`--${boundary}`)
          .slice(1, -1)
          .map((part) => part.replace(/^\r\n/, ''))
  const partOf = (type: string) => {
    const part = parts.map(split).find((one) => one.headers['content-type']?.startsWith(type))
    return part ? decode(part.body, part.headers['content-transfer-encoding']) : ''
  }
  const plain = partOf('text/plain')
  return {
    from,
    to,
    headers,
    raw,
    text: plain,
    html: partOf('text/html'),
    subject: decodeWords(headers.subject ?? ''),
    link: /https?:\/\/\S+/.exec(plain)?.[0],
  }
}

function split(message: string): { headers: Record<string, string>; body: string } {
  const end = message.indexOf('\r\n\r\n')
  const lines = message
    .slice(0, end)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
  const pairs = lines.map((line) => [
    line.slice(0, line.indexOf(':')).toLowerCase(),
    line.slice(line.indexOf(':') + 1).trim(),
  ])
  return { headers: Object.fromEntries(pairs), body: message.slice(end + 4) }
}

function decode(body: string, encoding = '7bit'): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString()
  if (encoding !== 'quoted-printable') return body
  return fromQuotedPrintable(body.replace(/=\r\n/g, ''))
}

const fromQuotedPrintable = (text: string): string =>
  Buffer.from(
    text.replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString()

/** RFC 2047 encoded words. */
const decodeWords = (text: string): string =>
  text
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([BQ])\?([^?]*)\?=/gi, (_, kind, word) =>
      kind.toUpperCase() === 'B'
        ? Buffer.from(word, 'base64').toString()
        : fromQuotedPrintable(word.replaceAll('_', ' ')),
    )
