/** Development's mailbox: the latest mails, in memory, for the page `/dev/mail`. Production has none. */
import type { Clock } from '../clock.ts'
import type { Message } from './transport.ts'

export type KeptMail = Message & Readonly<{ at: number; link?: string }>
export type KeptMails = ReturnType<typeof createKeptMails>

const mostKept = 50

export function createKeptMails({ clock }: { clock: Clock }) {
  const mails: KeptMail[] = []
  return {
    keep: (message: Message, link: string | undefined): void => {
      mails.unshift({ ...message, at: clock.now(), ...(link !== undefined && { link }) })
      mails.splice(mostKept)
    },
    /** The newest first. */
    list: (): readonly KeptMail[] => mails,
  }
}
