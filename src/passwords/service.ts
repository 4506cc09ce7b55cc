/** The password policy: all rules for a new password (SP 800-63B-4 §3.1.1.2, OWASP ASVS V6.2). */
import type { Problem } from '../problems.ts'
import type { Settings } from '../settings/service.ts'
import type { Breaches } from './breaches.ts'
import { isCommonPassword } from './common-passwords.ts'
import type { CompositionRules, ShownRule } from './composition-rules.ts'
import { checkComposition, hasDirectionMarks, isBlank, readPassword, shownComposition } from './composition-rules.ts'
import type { Person } from './context.ts'
import { checkContext } from './context.ts'
import type { StrengthEstimator } from './strength.ts'

export type { Person } from './context.ts'
/** Checks a new password for this user. Returns every problem; none when it is good. */
export type CheckPassword = (password: string, person: Person) => Promise<readonly Problem[]>

type Deps = {
  settings: Pick<Settings, 'get'>
  /** Undefined when no service is configured. */
  breaches: Breaches | undefined
  strength: Pick<StrengthEstimator, 'judge'>
  /** Known sample passwords: refused in production, empty elsewhere. */
  refusedSecrets: readonly string[]
}

export function createPasswordPolicy({ settings, breaches, strength, refusedSecrets }: Deps) {
  function composition(): CompositionRules {
    const now = settings.get()
    return {
      minimum: now.passwordMinimumLength,
      uppercase: now.passwordUppercase === 'required',
      lowercase: now.passwordLowercase === 'required',
      digit: now.passwordDigit === 'required',
      special: now.passwordSpecial === 'required',
    }
  }

  const check: CheckPassword = async (password, person) => {
    // In a document the password may have any type.
    if (typeof password !== 'string') return [{ path: 'password', code: 'not_string' }]
    const read = readPassword(password)
    if ('problem' in read) return [read.problem]
    const { normalized } = read
    const problems = [
      ...(isBlank(normalized) ? [{ path: 'password', code: 'password_blank' }] : []),
      ...(hasDirectionMarks(normalized) ? [{ path: 'password', code: 'password_direction_marks' }] : []),
      ...checkComposition(normalized, composition()),
      ...checkContext(normalized, person, settings.get().serviceName),
      ...(isCommonPassword(normalized) ? [{ path: 'password', code: 'password_common' }] : []),
      ...(refusedSecrets.includes(password) ? [{ path: 'password', code: 'sample_secret' }] : []),
    ]
    // A refused password needs no strength estimate, and is not sent to the breach service.
    if (problems.length > 0) return problems
    if ((await strength.judge(normalized)) === 'guessable') return [{ path: 'password', code: 'password_common' }]
    if (!breaches) return []
    const verdict = await breaches.find(normalized)
    if (verdict === 'breached') return [{ path: 'password', code: 'password_known' }]
    return verdict === 'unavailable' ? [{ path: 'password', code: 'password_unchecked' }] : []
  }

  return {
    check,
    /** The current rules, for pages that ask for a new password. */
    shownRules: (): ShownRule[] => [
      ...shownComposition(composition()),
      { rule: 'context', params: { service: settings.get().serviceName } },
      { rule: breaches ? 'breached' : 'common' },
    ],
  }
}
