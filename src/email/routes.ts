/** The development outbox at `/dev/mail`, which shows the emails. Mounted only in development. */
import type { Route } from '../http/route.ts'
import { page } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { DevOutbox } from './dev-outbox.ts'

type Deps = { views: Views; devOutbox: DevOutbox }

export function devEmailRoutes({ views, devOutbox }: Deps): readonly Route[] {
  const list = page({
    path: '/dev/mail',
    name: 'dev.mail',
    access: 'public',
    handler: (ctx) => {
      const emails = devOutbox.list().map(({ to, subject, text, at, link }) => ({
        to,
        subject,
        text,
        at: new Date(at).toISOString(),
        ...(link !== undefined && { link }),
      }))
      views.render(ctx, 'dev-mail', { emails })
    },
  })
  return [list]
}
