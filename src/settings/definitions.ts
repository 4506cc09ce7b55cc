/** The list of settings: type, default and bounds of each. What a start needs is configuration (`config/`), not a setting. */
import type { Config } from '../config/config.ts'

export const registrationModes = ['open', 'invitation', 'off'] as const

export type RuntimeSettings = Readonly<{
  /** The name on pages and in mail. */
  serviceName: string
  /** A browser session ends when unused for this long, and after the absolute time in any case. */
  sessionIdleSeconds: number
  sessionAbsoluteSeconds: number
  /** Access tokens for no resource server in particular; an API has its own. */
  accessTokenSeconds: number
  refreshIdleSeconds: number
  refreshAbsoluteSeconds: number
  /** Who may make an account: everybody, who was invited, nobody. */
  registration: (typeof registrationModes)[number]
  /** `required`: who has not proven the email address does not sign in. */
  emailVerification: 'optional' | 'required'
  /** How long an account that its person wants deleted can still be kept. */
  accountDeletionSeconds: number
  /** Code points of a password that is being chosen. */
  passwordMinimumLength: number
  /** Rules of composition, for those whose auditors want them. */
  passwordUppercase: 'optional' | 'required'
  passwordLowercase: 'optional' | 'required'
  passwordDigit: 'optional' | 'required'
  passwordSpecial: 'optional' | 'required'
  /** Every request limit, as a part of what it is by default: 100 is the default, 200 twice as many. */
  rateLimitPercent: number
  /** What a client may ask by itself (client_credentials, /par, /revoke) in a minute, unless it has a number of its own; 0: no limit. */
  tokenRequestsPerMinute: number
}>

export type SettingKey = keyof RuntimeSettings

export type SettingDefinition =
  | Readonly<{ type: 'text'; default: string; maximumLength: number }>
  | Readonly<{ type: 'seconds' | 'number'; default: number; min: number; max: number }>
  | Readonly<{ type: 'choice'; default: string; choices: readonly string[] }>

const minute = 60
const hour = 3600
const day = 86_400

export const settingDefinitions: Readonly<Record<SettingKey, SettingDefinition>> = {
  serviceName: { type: 'text', default: 'Latchkey', maximumLength: 64 },
  // OWASP ASVS 7.3.1 and 7.3.2.
  sessionIdleSeconds: { type: 'seconds', default: hour, min: minute, max: 30 * day },
  sessionAbsoluteSeconds: { type: 'seconds', default: day, min: minute, max: 365 * day },
  accessTokenSeconds: { type: 'seconds', default: 10 * minute, min: minute, max: day },
  // OWASP ASVS 10.4.8.
  refreshIdleSeconds: { type: 'seconds', default: 14 * day, min: minute, max: 365 * day },
  refreshAbsoluteSeconds: { type: 'seconds', default: 90 * day, min: minute, max: 3650 * day },
  // Off, so that an upgrade lets in nobody who was not let in before; development begins open.
  registration: { type: 'choice', default: 'off', choices: registrationModes },
  emailVerification: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  accountDeletionSeconds: { type: 'seconds', default: 14 * day, min: minute, max: 365 * day },
  // SP 800-63B-4 §3.1.1.2 asks for 15 where the password is the only factor; the most is half of what a password may be.
  passwordMinimumLength: { type: 'number', default: 12, min: 12, max: 64 },
  // OWASP ASVS 6.2.5: off, unless somebody insists.
  passwordUppercase: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  passwordLowercase: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  passwordDigit: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  passwordSpecial: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  // No value switches limits off.
  rateLimitPercent: { type: 'number', default: 100, min: 10, max: 1_000_000 },
  tokenRequestsPerMinute: { type: 'number', default: 3000, min: 0, max: 1_000_000 },
}

export const settingKeys = Object.keys(settingDefinitions) as SettingKey[]

export const defaultSettings = Object.fromEntries(
  settingKeys.map((key) => [key, settingDefinitions[key].default]),
) as RuntimeSettings

/** The defaults of an environment: in development anyone may register, so that the first visit can try it. */
export const defaultsIn = (environment: Config['environment'] | undefined): RuntimeSettings =>
  environment === 'development' ? { ...defaultSettings, registration: 'open' } : defaultSettings
