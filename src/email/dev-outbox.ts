/** The outbox of development: the latest emails, in memory, for the page `/dev/mail`. */
import type { Clock } from '../clock.ts'
import type { Message } from './transport.ts'

export type DevEmail = Message & Readonly<{ at: number; link?: string }>
export type DevOutbox = ReturnType<typeof createDevOutbox>

const maxEmails = 50

export function createDevOutbox({ clock }: { clock: Clock }) {
  const emails: DevEmail[] = []
  return {
    add: (message: Message, link: string | undefined): void => {
      emails.unshift({ ...message, at: clock.now(), ...(link !== undefined && { link }) })
      emails.splice(maxEmails)
    },
    /** The newest first. */
    list: (): readonly DevEmail[] => emails,
  }
}
