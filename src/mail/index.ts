/** Emails: written and sent after the commit of the change that asked for them. */
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import type { Tx } from '../database/database.ts'
import type { Views } from '../http/views.ts'
import type { Sentences } from '../locales.ts'
import type { MailIntent } from './intent.ts'
import { createKeptMails } from './kept.ts'
import { createLetters } from './letters.ts'
import { createSendMail } from './notifications.ts'
import { withPatience } from './patience.ts'
import { devMailRoutes } from './routes.ts'
import { createPostman } from './service.ts'
import { createTransport } from './transport.ts'

type PostmanDeps = Parameters<typeof createPostman>[0]
type Deps = Omit<PostmanDeps, 'issuer' | 'from' | 'letters' | 'transport' | 'kept'> &
  Pick<Parameters<typeof createSendMail>[0], 'findProvenEmail'> & {
    config: Pick<Config, 'environment' | 'issuer' | 'mail'>
    sentences: Sentences
    viewsFolder: string
    outbox: {
      send: (tx: Tx, name: 'mail', intent: MailIntent) => Promise<void>
      handle: (name: 'mail', deliver: ReturnType<typeof createPostman>['post']) => void
    }
  }

export function createMailFeature({ config, sentences, viewsFolder, outbox, findProvenEmail, ...deps }: Deps) {
  const { environment, issuer, mail } = config
  const { serviceName, clock } = deps
  const kept = environment === 'development' ? createKeptMails({ clock }) : undefined
  const postman = createPostman({
    ...deps,
    kept,
    issuer,
    from: mail.from,
    letters: createLetters({ folder: join(viewsFolder, 'mail'), sentences, issuer, serviceName }),
    transport: mail.smtp && withPatience(createTransport(mail.smtp)),
  })
  outbox.handle('mail', postman.post)
  return {
    canSendMail: postman.canSend,
    sendMail: createSendMail({ send: (tx, intent) => outbox.send(tx, 'mail', intent), findProvenEmail }),
    /** The mailbox of development. */
    createRoutes: (views: Views) => (kept ? devMailRoutes({ views, kept }) : []),
  }
}
