/** The data export of an account, without secrets, digests or data of other accounts. */
import type { Account } from '../accounts/account.ts'
import type { Audit } from '../audit/service.ts'
import type { Factors } from '../mfa/service.ts'
import type { Sessions } from '../sessions/service.ts'
import type { Applications } from './applications.ts'

type Deps = {
  audit: Pick<Audit, 'listOf'>
  sessions: Pick<Sessions, 'list'>
  applications: Pick<Applications, 'list'>
  factors: Pick<Factors, 'show'>
  /** The account with the names of its claims. */
  document: (account: Account) => Record<string, unknown>
}

export type DataExport = ReturnType<typeof createDataExport>

/** `at` in milliseconds. */
export type PersonalEvent = Readonly<{
  at: number
  action: string
  hasFailed: boolean
  method?: string
  address?: string
}>

const latest = 50
const everything = 10_000

const isoOf = (at: number | undefined): string | undefined =>
  at === undefined ? undefined : new Date(at).toISOString()

export function createDataExport({ audit, sessions, applications, factors, document }: Deps) {
  async function events(accountId: string, limit = latest): Promise<PersonalEvent[]> {
    const found = await audit.listOf(accountId, limit)
    return found.map(({ at, action, outcome, details, address: ip }) => ({
      at,
      action,
      hasFailed: outcome === 'failure',
      ...(typeof details?.method === 'string' && { method: details.method }),
      ...(ip !== undefined && { address: ip }),
    }))
  }

  return {
    /** The newest first. */
    events,

    exportAll: async (account: Account, sessionUid: string) => {
      const { id } = account
      const [own, allowed, factor, happened] = await Promise.all([
        sessions.list(id, sessionUid),
        applications.list(id),
        factors.show(id),
        events(id, everything),
      ])
      return {
        account: document(account),
        second_factors: factor.enrolled,
        recovery_codes_left: factor.recoveryCodes,
        sessions: own.map(({ browser, system, geolocation, signedInAt, lastSeenAt }) => ({
          browser,
          system,
          place: geolocation,
          signed_in_at: isoOf(signedInAt),
          last_seen_at: isoOf(lastSeenAt),
        })),
        applications: allowed.map(({ clientId, name, since, scopes, resources }) => ({
          client_id: clientId,
          name,
          since: isoOf(since),
          scopes,
          resources,
        })),
        events: happened.map(({ at, action, hasFailed, method, address: ip }) => ({
          at: isoOf(at),
          action,
          outcome: hasFailed ? 'failure' : 'success',
          method,
          address: ip,
        })),
      }
    },
  }
}
