/** The access of each route, and its response to a caller with access: one row for each route. */
import type { Access } from '../../src/access/access.ts'

/**
 * `old`: a login of ten minutes ago. `unproven`: a recent login without the account's factor.
 * `other`: a recent login of another account than the one in the requests.
 */
export const callers = ['none', 'old', 'unproven', 'other'] as const
export type Caller = (typeof callers)[number]

/** A status, and the error code of the page where it has one. */
type Answer = readonly [status: number, code?: string]

export type Row = Readonly<{
  access: Access
  /** The path with its parameters and query. Needed where the route has parameters. */
  at?: string
  /** The fields of a form, valid by its schema. */
  fields?: Readonly<Record<string, string>>
  /** The response to a caller with access; for each caller where the responses differ. */
  answer: Answer | Readonly<Record<Caller, Answer>>
}>

/** Identifiers of an account that is not the caller's. */
export type Foreign = Readonly<{ email: string; sessionHandle: string; clientId: string; passkey: string }>

const token = 'no-such-token'
const uid = 'no-such-interaction'
const password = 'a kettle sings in the morning'
const shown: Answer = [200]
const sent: Answer = [303]
const expired: Answer = [400, 'interaction_expired']
const linkExpired: Answer = [400, 'link_expired']

const open = (answer: Answer, row: Partial<Row> = {}): Row => ({ access: 'public', answer, ...row })
const inSession = (answer: Answer, fields?: Row['fields']): Row => ({
  access: { session: 'any' },
  answer,
  ...(fields && { fields }),
})
const sensitive = (answer: Answer, fields?: Row['fields']): Row => ({
  access: { session: 'recent+factor' },
  answer,
  ...(fields && { fields }),
})
const interaction = (path: string, answer: Answer, fields?: Row['fields']): Row =>
  open(answer, { at: `/interaction/${uid}${path}`, ...(fields && { fields }) })

const applicant = { email: 'new@example.com', name: 'New Person', password }

/** `asset` is the path of a file that exists. */
export const expectations = (foreign: Foreign, asset: string): Readonly<Record<string, Row>> => ({
  home: open(shown),
  asset: open(shown, { at: asset }),
  'health.live': open(shown),
  'health.ready': open(shown),
  'dev.mail': open(shown),

  'interaction.show': interaction('', expired),
  'interaction.cancel': interaction('/cancel', expired, {}),
  'login.submit': interaction('/login', expired, { email: foreign.email, password }),
  'login.passkey': interaction('/passkey', expired, { response: '{}' }),
  'login.keep_account': interaction('/account', expired, {}),
  'login.switch': interaction('/switch', expired, {}),
  'consent.submit': interaction('/consent', expired, {}),
  'factor.prove': interaction('/factor', expired, { method: 'totp', code: '000000' }),
  'factor.enrol_totp_at_login': interaction('/enrol', expired, { offer: 'x', code: '000000' }),
  'factor.enrol_passkey_at_login': interaction('/enrol-passkey', expired, { response: '{}', name: 'x' }),
  'factor.enrolled_at_login': interaction('/enrolled', expired, {}),
  'factor.reset': interaction('/factor-reset', expired),
  'factor.request_reset': interaction('/factor-reset', expired, {}),
  'registration.show_in_interaction': interaction('/register', expired),
  'registration.submit_in_interaction': interaction('/register', expired, applicant),
  'recovery.show_in_interaction': interaction('/recover', expired),
  'recovery.submit_in_interaction': interaction('/recover', expired, { email: applicant.email }),

  'registration.show': open(shown),
  'registration.submit': open([400], { fields: { email: 'x', name: 'x', password } }),
  'registration.link': open(linkExpired, { at: `/verify?token=${token}` }),
  'registration.confirm': open(linkExpired, { fields: { token } }),
  'registration.confirm_with_password': open(linkExpired, { fields: { token, password } }),
  'registration.begin_anew': open(linkExpired, { fields: { token, name: 'x', password } }),
  'registration.invitation': open(linkExpired, { at: `/invitation?token=${token}` }),
  'registration.accept_invitation': open(linkExpired, { fields: { token, name: 'x', password } }),
  'recovery.show': open(shown),
  'recovery.submit': open([400], { fields: { email: 'x' } }),
  'recovery.link': open(linkExpired, { at: `/recover/password?token=${token}` }),
  'recovery.reset': open(linkExpired, { fields: { token, password } }),
  'factor.reset_link': open(linkExpired, { at: `/factor-reset?token=${token}` }),
  'factor.carry_out_reset': open(linkExpired, { fields: { token } }),
  'account.email_link': open(linkExpired, { at: `/email-change?token=${token}` }),
  'account.confirm_email': open(linkExpired, { fields: { token } }),

  'account.return': {
    access: { public: 'the login returns here; the page to which it leads checks the session' },
    answer: { none: [400, 'session_not_kept'], old: sent, unproven: sent, other: sent },
  },
  'account.overview': inSession(shown),
  'account.profile': inSession(shown),
  'account.save_profile': inSession(sent, {
    name: 'Other Person',
    given_name: '',
    family_name: '',
    nickname: '',
    birthdate: '',
    zoneinfo: '',
    locale: '',
    website: '',
    phone_number: '',
  }),
  'account.sessions': inSession(shown),
  'account.end_session': inSession([404, 'session_gone'], { session: foreign.sessionHandle }),
  'account.end_other_sessions': inSession(sent, {}),
  'account.applications': inSession(shown),
  'account.withdraw_application': inSession(sent, { client: foreign.clientId }),
  'account.events': inSession(shown),
  'account.cancel_deletion': inSession(sent, {}),
  'account.forget_browsers': inSession(sent, {}),
  'account.stop_factor_reset': inSession(sent, {}),

  'account.data': sensitive(shown),
  'account.download': sensitive(shown),
  'account.request_deletion': sensitive([400], { currentPassword: 'wrong' }),
  'account.password': sensitive(shown),
  'account.change_password': sensitive([403], { currentPassword: 'wrong', password }),
  'account.email': sensitive(shown),
  'account.change_email': sensitive([403], { currentPassword: 'wrong', email: applicant.email }),
  'account.factors': sensitive(shown),
  'account.show_totp': sensitive(shown),
  'account.add_totp': sensitive([400], { offer: 'x', code: '000000' }),
  'account.remove_totp': sensitive([404, 'factor_not_found'], {}),
  'account.add_passkey': sensitive([400], { response: '{}', name: 'x' }),
  'account.remove_passkey': sensitive([404, 'factor_not_found'], { passkey: foreign.passkey }),
  'account.renew_codes': sensitive([404, 'factor_not_found'], {}),
  'account.switch_factor_on': sensitive([404, 'factor_not_found'], { method: 'totp' }),
})
