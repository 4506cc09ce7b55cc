/** Registration and invitation, and the pages of both. */
import type { Gate } from '../limits/gate.ts'
import { createRegistrationCookie } from './browser-cookie.ts'
import { registrationRoutes } from './routes.ts'
import { createRegistration } from './service.ts'

type PageDeps = Pick<Parameters<typeof registrationRoutes>[0], 'interactions' | 'views'> &
  Omit<Parameters<typeof createRegistrationCookie>[0], 'key'> & {
    deriveKey: (purpose: string) => Buffer
    gate: Pick<Gate, 'countIdentifier'>
  }

export function createRegistrationFeature(deps: Parameters<typeof createRegistration>[0]) {
  const registration = createRegistration(deps)
  return {
    registration,
    createRoutes: ({ interactions, views, issuer, formOf, deriveKey, gate }: PageDeps) =>
      registrationRoutes({
        registration,
        interactions,
        views,
        cookie: createRegistrationCookie({ issuer, formOf, key: deriveKey('registration browsers') }),
        countRegistration: (ctx, email) => gate.countIdentifier(ctx, 'register', email),
      }),
  }
}
