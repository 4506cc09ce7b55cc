/** Development's mailbox at `/dev/mail`: what would have been sent. Mounted in development only. */
import type { Route } from '../http/route.ts'
import { page } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { KeptMails } from './kept.ts'

type Deps = { views: Views; kept: KeptMails }

export function devMailRoutes({ views, kept }: Deps): readonly Route[] {
  const list = page({
    path: '/dev/mail',
    name: 'dev.mail',
    access: 'public',
    handler: (ctx) => {
      const mails = kept.list().map(({ to, subject, text, at, link }) => ({
        to,
        subject,
        text,
        at: new Date(at).toISOString(),
        ...(link !== undefined && { link }),
      }))
      views.render(ctx, 'dev-mail', { mails })
    },
  })
  return [list]
}
