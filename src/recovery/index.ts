/** Recovery of an account after its password was forgotten. */
import { recoveryRoutes } from './routes.ts'
import { createRecovery } from './service.ts'

type PageDeps = Omit<Parameters<typeof recoveryRoutes>[0], 'recovery'>

export function createRecoveryFeature(deps: Parameters<typeof createRecovery>[0]) {
  const recovery = createRecovery(deps)
  return { recovery, createRoutes: (pages: PageDeps) => recoveryRoutes({ ...pages, recovery }) }
}
