/**
 * The list of settings: type, default and limits of each. What a start needs is configuration
 * (`config/`), not a setting.
 */
import type { Config } from '../config/config.ts'

export const registrationModes = ['open', 'invitation', 'off'] as const

export type RuntimeSettings = Readonly<{
  /** The name on pages and in emails. */
  serviceName: string
  /** A browser session ends when it is unused for this time, and always after the absolute time. */
  sessionIdleSeconds: number
  sessionAbsoluteSeconds: number
  /** Access tokens without a resource server; an API has its own lifetime. */
  accessTokenSeconds: number
  refreshIdleSeconds: number
  refreshAbsoluteSeconds: number
  /** Which users can register: all, invited ones, none. */
  registration: (typeof registrationModes)[number]
  /** `required`: an account without a verified email cannot sign in. */
  emailVerification: 'optional' | 'required'
  /** How long the deletion of an account can still be cancelled. */
  accountDeletionSeconds: number
  /** The minimum number of code points of a new password. */
  passwordMinimumLength: number
  /** Composition rules, for audits that require them. */
  passwordUppercase: 'optional' | 'required'
  passwordLowercase: 'optional' | 'required'
  passwordDigit: 'optional' | 'required'
  passwordSpecial: 'optional' | 'required'
  /** A percentage of every default request limit: 100 is the default, 200 twice as many. */
  rateLimitPercent: number
  /**
   * Requests per minute of a client itself (client_credentials, /par, /revoke), unless it has its
   * own number; 0: no limit.
   */
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
  // Off, so that an upgrade does not open registration. In development the default is open.
  registration: { type: 'choice', default: 'off', choices: registrationModes },
  emailVerification: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  accountDeletionSeconds: { type: 'seconds', default: 14 * day, min: minute, max: 365 * day },
  // SP 800-63B-4 §3.1.1.2 requires 15 where the password is the only factor. The maximum is half of
  // a password's maximum length.
  passwordMinimumLength: { type: 'number', default: 12, min: 12, max: 64 },
  // OWASP ASVS 6.2.5: off by default.
  passwordUppercase: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  passwordLowercase: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  passwordDigit: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  passwordSpecial: { type: 'choice', default: 'optional', choices: ['optional', 'required'] },
  // No value turns the limits off.
  rateLimitPercent: { type: 'number', default: 100, min: 10, max: 1_000_000 },
  tokenRequestsPerMinute: { type: 'number', default: 3000, min: 0, max: 1_000_000 },
}

export const settingKeys = Object.keys(settingDefinitions) as SettingKey[]

export const defaultSettings = Object.fromEntries(
  settingKeys.map((key) => [key, settingDefinitions[key].default]),
) as RuntimeSettings

/**
 * The defaults of an environment. In development registration is open, so that it can be tried at
 * once.
 */
export const defaultsIn = (environment: Config['environment'] | undefined): RuntimeSettings =>
  environment === 'development' ? { ...defaultSettings, registration: 'open' } : defaultSettings
