/** Emails, created and sent after the commit of the change that requested them. */
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import type { Tx } from '../database/database.ts'
import type { Views } from '../http/views.ts'
import type { Sentences } from '../locales.ts'
import { withCircuitBreaker } from './circuit-breaker.ts'
import { createDevOutbox } from './dev-outbox.ts'
import type { EmailIntent } from './intent.ts'
import { createSendEmail } from './notifications.ts'
import { devEmailRoutes } from './routes.ts'
import { createMailer } from './service.ts'
import { createEmailTemplates } from './templates.ts'
import { createTransport } from './transport.ts'

type MailerDeps = Parameters<typeof createMailer>[0]
type Deps = Omit<MailerDeps, 'issuer' | 'from' | 'emailTemplates' | 'transport' | 'devOutbox'> &
  Pick<Parameters<typeof createSendEmail>[0], 'findProvenEmail'> & {
    config: Pick<Config, 'environment' | 'issuer' | 'email'>
    sentences: Sentences
    viewsFolder: string
    outbox: {
      send: (tx: Tx, name: 'mail', intent: EmailIntent) => Promise<void>
      handle: (name: 'mail', deliver: ReturnType<typeof createMailer>['post']) => void
    }
  }

export function createMailFeature({ config, sentences, viewsFolder, outbox, findProvenEmail, ...deps }: Deps) {
  const { environment, issuer, email: emailConfig } = config
  const { serviceName, clock } = deps
  const devOutbox = environment === 'development' ? createDevOutbox({ clock }) : undefined
  const mailer = createMailer({
    ...deps,
    devOutbox,
    issuer,
    from: emailConfig.from,
    emailTemplates: createEmailTemplates({ folder: join(viewsFolder, 'email'), sentences, issuer, serviceName }),
    transport: emailConfig.smtp && withCircuitBreaker(createTransport(emailConfig.smtp)),
  })
  outbox.handle('mail', mailer.post)
  return {
    canSendEmail: mailer.canSend,
    sendEmail: createSendEmail({ send: (tx, intent) => outbox.send(tx, 'mail', intent), findProvenEmail }),
    /** The pages of the development outbox. */
    createRoutes: (views: Views) => (devOutbox ? devEmailRoutes({ views, devOutbox }) : []),
  }
}
