/** The page at `/`: what this server is, and in development how to try it. */

import type { Route } from '../http/route.ts'
import { page } from '../http/route.ts'
import type { Views } from '../http/views.ts'

/** How to try a new development server. */
export type DevelopmentNotes = {
  user: string
  password: string
  clients: readonly { clientId: string; url?: string }[]
}

type Deps = { views: Views; issuer: string; development: DevelopmentNotes | undefined }

export function homeRoutes({ views, issuer, development }: Deps): readonly Route[] {
  const home = page({
    path: '/',
    name: 'home',
    access: 'public',
    handler: (ctx) => {
      views.render(ctx, 'home', { issuer, discoveryUrl: `${issuer}/.well-known/openid-configuration`, development })
    },
  })
  return [home]
}
