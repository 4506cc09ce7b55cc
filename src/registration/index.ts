/** Registration and invitation, with their pages. */
import type { RateLimiter } from '../limits/rate-limiter.ts'
import { createRegistrationCookie } from './browser-cookie.ts'
import { registrationRoutes } from './routes.ts'
import { createRegistration } from './service.ts'

type PageDeps = Pick<Parameters<typeof registrationRoutes>[0], 'interactions' | 'views'> &
  Omit<Parameters<typeof createRegistrationCookie>[0], 'key'> & {
    deriveKey: (purpose: string) => Buffer
    rateLimiter: Pick<RateLimiter, 'countIdentifier'>
  }

export function createRegistrationFeature(deps: Parameters<typeof createRegistration>[0]) {
  const registration = createRegistration(deps)
  return {
    registration,
    createRoutes: ({ interactions, views, issuer, formOf, deriveKey, rateLimiter }: PageDeps) =>
      registrationRoutes({
        registration,
        interactions,
        views,
        cookie: createRegistrationCookie({ issuer, formOf, key: deriveKey('registration browsers') }),
        countRegistration: (ctx, email) => rateLimiter.countIdentifier(ctx, 'register', email),
      }),
  }
}
