/** Every page in every state to test, and clients whose names imitate other text. */
import { listEditableFields } from '../../src/accounts/fields.ts'
import type { PageLocals, PageName } from '../../src/http/pages.ts'

const client = {
  name: 'Paper Lanterns',
  host: 'lanterns.example.com',
  isFirstParty: false,
  uri: 'https://lanterns.example.com/',
}
const account = { email: 'alice@example.com', name: 'Alice Liddell' }
const interaction = {
  action: '/interaction/x/login',
  cancelAction: '/interaction/x/cancel',
  switchAction: '/interaction/x/switch',
}

export const hostileNames = {
  script: '<script>alert(1)</script>',
  bank: 'Your bank: enter your PIN',
  long: 'W'.repeat(64),
  marks: `Z${'\u0300\u0301\u0302\u0327\u0328'.repeat(12)}algo`,
  template: '{{email}} $t(pages.login.title) <%= page.csrfToken() %>',
  quotes: `" onmouseover="alert(1)" x='`,
} as const

const login: PageLocals['login'] = { ...interaction, client, email: '' }
const consent: PageLocals['consent'] = {
  ...interaction,
  client,
  account,
  scopes: ['openid', 'profile', 'email', 'phone', 'address', 'roles', 'offline_access'].map((name) => ({ name })),
  resources: [
    {
      identifier: 'http://localhost:3003/',
      name: 'Lantern shop',
      scopes: [{ name: 'api:read', description: 'See your orders' }, { name: 'api:write' }],
    },
  ],
  claims: ['birthdate', 'shoe_size'],
  hasOfflineAccess: true,
}

const token = 't'.repeat(43)
const email = 'alice@example.com'
const tooShort = {
  code: 'password_too_short',
  params: { minimum: 12 },
  also: [{ code: 'password_contains_name' }, { code: 'password_contains_service', params: { service: 'Latchkey' } }],
}
const register: PageLocals['register'] = {
  client,
  action: '/interaction/x/register',
  signInUrl: '/interaction/x',
  email: '',
  name: '',
  problems: {},
}
const prove: PageLocals['link-prove'] = {
  action: '/verify/password',
  startOverAction: '/verify/anew',
  token,
  email,
  name: '',
  problems: {},
  startOverProblems: {},
}
const elsewhere: PageLocals['link-email'] = {
  action: '/email-change',
  token,
  email,
  needsPassword: true,
  problems: {},
}
const newPassword: PageLocals['link-password'] = {
  kind: 'recover',
  action: '/recover/password',
  token,
  email,
  problems: {},
}

type Sample = { [N in PageName]: readonly [name: string, page: N, locals: PageLocals[N]] }[PageName]

const offer = {
  sealed: 'c2VhbGVk',
  secret: 'JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP',
  uri: 'otpauth://totp/x?secret=JBSWY3DPEHPK3PXP',
  qr: { size: 8, path: 'M1 1h1v1h-1zM3 3h1v1h-1zM5 5h1v1h-1z' },
}

const scripts = ['webauthn.js', 'passkey.js']
const forms = {
  passkey: { id: 'passkey', action: '/next', scripts, data: { options: '{"challenge":"x"}' } },
  totp: { id: 'totp', action: '/next', scripts: [], data: {} },
  recoveryCode: { id: 'recovery_code', action: '/next', scripts: [], data: {} },
  newTotp: { id: 'totp', action: '/next', scripts: [], data: offer },
}

const youngFactors = [
  { method: 'totp', since: '2026-11-27 06:40 UTC' },
  { method: 'passkey', since: '2026-11-28 06:40 UTC' },
] as const
const own = { account }
const passkey = { action: '/next', options: '{"challenge":"x"}' }
const session = { handle: 'h1', signedInAt: '2026-11-27 06:40 UTC', lastSeenAt: '2026-11-27 07:40 UTC' }
const profileValues = {
  name: 'Alice Liddell',
  given_name: 'Alice',
  family_name: '',
  nickname: '',
  birthdate: 'yesterday',
  zoneinfo: '',
  locale: 'en-GB',
  website: '',
  phone_number: '',
}

export const samples: readonly Sample[] = [
  ['login', 'login', login],
  ['login-error', 'login', { ...login, email: 'alice@example.com', error: 'csrf_failed' }],
  ['login-passkey', 'login', { ...login, passkey }],
  [
    'locked',
    'locked',
    { client, error: 'sign_in_locked', passkey, recoverUrl: '/recover', signInUrl: '/next', cancelAction: '/cancel' },
  ],
  ['login-plain', 'login', { ...login, client: undefined }],
  ['login-native', 'login', { ...login, client: { ...client, host: 'com.example.lanterns:' } }],
  ...Object.entries(hostileNames).map(
    ([key, name]): Sample => [`login-${key}`, 'login', { ...login, client: { ...client, name } }],
  ),
  ['login-offers', 'login', { ...login, registerUrl: '/interaction/x/register', recoverUrl: '/interaction/x/recover' }],
  ['register', 'register', register],
  ['register-alone', 'register', { action: '/register', email: '', name: '', problems: {} }],
  [
    'register-error',
    'register',
    {
      ...register,
      email: 'alice@',
      name: hostileNames.script,
      problems: { email: { code: 'not_email' }, name: { code: 'not_text', params: { max: 200 } }, password: tooShort },
    },
  ],
  ['recover', 'recover', { client, action: '/recover', signInUrl: '/interaction/x', email: '', problems: {} }],
  ['recover-error', 'recover', { action: '/recover', email: 'alice', problems: { email: { code: 'not_email' } } }],
  ['link-verify', 'link', { kind: 'verify', action: '/verify', token, interactionUid: 'g'.repeat(21), email }],
  ['link-email', 'link-email', { action: '/email-change', token, email, needsPassword: false, problems: {} }],
  ['link-email-elsewhere', 'link-email', elsewhere],
  ['link-email-error', 'link-email', { ...elsewhere, problems: { currentPassword: { code: 'proof_refused' } } }],
  ['link-prove', 'link-prove', prove],
  ['link-prove-error', 'link-prove', { ...prove, problems: { password: { code: 'password_not_chosen' } } }],
  ['link-anew-error', 'link-prove', { ...prove, name: hostileNames.script, startOverProblems: { password: tooShort } }],
  ['link-recover', 'link-password', newPassword],
  ['link-recover-error', 'link-password', { ...newPassword, problems: { password: tooShort } }],
  ['link-invited', 'link-password', { ...newPassword, kind: 'invited', action: '/invitation', name: '' }],
  ...(
    [
      'registered',
      'verified',
      'recovery_sent',
      'password_set',
      'email_changed',
      'email_taken',
      'factors_reset',
    ] as const
  ).map((name): Sample => [`notice-${name}`, 'notice', { name, email }]),
  ['notice-go', 'notice', { name: 'verified', returnUrl: '/interaction/x' }],
  ['dev-mail-none', 'dev-mail', { emails: [] }],
  [
    'dev-mail',
    'dev-mail',
    {
      emails: [
        {
          to: email,
          subject: 'Confirm <it>',
          text: 'Hello\n\nA link',
          at: '2026-11-27T00:00:00Z',
          link: '/verify?token=x',
        },
      ],
    },
  ],
  ['consent', 'consent', consent],
  [
    'consent-short',
    'consent',
    {
      ...consent,
      client: { ...client, uri: 'vbscript:msgbox(1)' },
      scopes: [{ name: 'openid' }, { name: 'unheard_of' }],
      claims: [],
      resources: [],
      hasOfflineAccess: false,
    },
  ],
  ...Object.entries(hostileNames).map(
    ([key, name]): Sample => [
      `consent-${key}`,
      'consent',
      { ...consent, client: { ...client, name }, account: { email: 'a@example.com', name } },
    ],
  ),
  ['select-account', 'select-account', { ...interaction, client, account }],
  [
    'factor',
    'factor',
    {
      ...interaction,
      client,
      account,
      forms: [forms.passkey, forms.totp, forms.recoveryCode],
      disabled: [],
      mayRemember: true,
    },
  ],
  [
    'factor-error',
    'factor',
    {
      ...interaction,
      account,
      forms: [forms.recoveryCode],
      disabled: ['totp'],
      mayRemember: false,
      error: 'factor_refused',
    },
  ],
  [
    'factor-off',
    'factor',
    { ...interaction, account, forms: [], disabled: ['totp', 'recovery_code'], mayRemember: false, resetUrl: '/next' },
  ],
  [
    'factor-reset',
    'factor-reset',
    { email, action: '/next', returnUrl: '/back', factors: youngFactors, isAllowed: true },
  ],
  [
    'factor-reset-waiting',
    'factor-reset',
    { email, action: '/next', returnUrl: '/back', factors: youngFactors, isAllowed: true, due: '2026-12-01 06:40 UTC' },
  ],
  [
    'factor-reset-refused',
    'factor-reset',
    { email, action: '/next', returnUrl: '/back', factors: youngFactors, isAllowed: false },
  ],
  ['factor-reset-link', 'factor-reset', { action: '/factor-reset', token, factors: youngFactors, isAllowed: true }],
  [
    'factor-enrol',
    'factor-enrol',
    {
      ...interaction,
      client,
      account,
      level: 'multi_factor',
      forms: [forms.newTotp, forms.passkey],
      problems: {},
    },
  ],
  [
    'factor-enrol-error',
    'factor-enrol',
    {
      ...interaction,
      account,
      level: 'multi_factor',
      forms: [forms.newTotp, forms.passkey],
      problems: { code: { code: 'code_wrong' } },
    },
  ],
  [
    'factor-enrol-passkey',
    'factor-enrol',
    { ...interaction, client, account, level: 'phishing_resistant', forms: [forms.passkey], problems: {} },
  ],
  ['recovery-codes', 'recovery-codes', { codes: Array(10).fill('3M7K2Q-0ZX4AB-9TRFWE-HJ5C8D'), action: '/next' }],
  [
    'recovery-codes-account',
    'recovery-codes',
    { codes: ['3M7K2Q-0ZX4AB-9TRFWE-HJ5C8D'], returnUrl: '/account/factors' },
  ],
  ['recovery-codes-ready', 'recovery-codes', { codes: [], action: '/next' }],
  ['account-overview', 'account/overview', { ...own, here: 'overview', isEmailVerified: false, done: 'profile' }],
  [
    'account-leaving',
    'account/overview',
    {
      ...own,
      here: 'overview',
      isEmailVerified: true,
      deletionDate: '2026-12-11',
      account: { email, name: hostileNames.script },
    },
  ],
  [
    'account-factor-reset',
    'account/overview',
    {
      ...own,
      here: 'overview',
      isEmailVerified: true,
      factorReset: { at: '2026-11-30 06:40 UTC', due: '2026-12-01 06:40 UTC' },
    },
  ],
  [
    'account-profile',
    'account/profile',
    { ...own, here: 'profile', fields: listEditableFields(), values: profileValues, problems: {} },
  ],
  [
    'account-profile-error',
    'account/profile',
    {
      ...own,
      here: 'profile',
      fields: listEditableFields(),
      values: profileValues,
      problems: { birthdate: { code: 'not_birthdate' } },
    },
  ],
  [
    'account-email',
    'account/email',
    { ...own, here: 'email', email: '', isVerified: true, needsPassword: true, autocomplete: 'email', problems: {} },
  ],
  [
    'account-password-error',
    'account/password',
    {
      ...own,
      here: 'password',
      email,
      needsPassword: true,
      problems: { currentPassword: { code: 'proof_refused' }, password: tooShort },
    },
  ],
  [
    'account-factors',
    'account/factors',
    {
      ...own,
      here: 'factors',
      hasFactor: true,
      sections: [
        {
          ...forms.passkey,
          data: {
            ...forms.passkey.data,
            passkeys: [
              {
                id: 'p1',
                name: hostileNames.script ?? '',
                since: '2026-11-27 06:40 UTC',
                lastUsed: undefined,
                needsPassword: true,
              },
            ],
          },
        },
        { ...forms.totp, data: { since: '2026-11-27 06:40 UTC' } },
        { ...forms.recoveryCode, data: { count: 9 } },
      ],
      disabled: ['totp', 'recovery_code'],
      rememberedBrowsers: 2,
      isFactorRequired: true,
    },
  ],
  [
    'account-factors-none',
    'account/factors',
    {
      ...own,
      here: 'factors',
      sections: [
        { ...forms.passkey, data: { ...forms.passkey.data, passkeys: [] } },
        forms.totp,
        { ...forms.recoveryCode, data: { count: 0 } },
      ],
      disabled: [],
      error: 'passkey_refused',
      hasFactor: false,
      rememberedBrowsers: 0,
      isFactorRequired: false,
    },
  ],
  [
    'account-app',
    'account/factor',
    { ...own, here: 'factors', form: forms.newTotp, problems: { code: { code: 'code_wrong' } } },
  ],
  [
    'account-sessions',
    'account/sessions',
    {
      ...own,
      here: 'sessions',
      sessions: [
        { ...session, isThis: true, browser: 'Firefox', system: 'Linux', geolocation: 'Vienna, Austria' },
        { ...session, handle: 'h2', isThis: false, geolocation: undefined },
      ],
    },
  ],
  [
    'account-applications',
    'account/applications',
    {
      ...own,
      here: 'applications',
      applications: [
        {
          clientId: 'web',
          name: hostileNames.script,
          since: '2026-11-27 06:40 UTC',
          scopes: ['openid', 'email', 'unheard_of'],
          resources: ['https://api.example/ read'],
        },
      ],
    },
  ],
  ['account-applications-none', 'account/applications', { ...own, here: 'applications', applications: [] }],
  [
    'account-events',
    'account/events',
    {
      ...own,
      here: 'events',
      events: [
        { at: '2026-11-27 06:40 UTC', action: 'factor.added', method: 'totp', address: '192.0.2.7' },
        { at: '2026-11-27 06:39 UTC', action: 'account.signed_in' },
      ],
    },
  ],
  [
    'account-data',
    'account/data',
    { ...own, here: 'data', email, needsPassword: true, graceDays: 14, problems: { sure: { code: 'not_sure' } } },
  ],
  ['continue', 'continue', { url: '/next-page?code=1&state=2', host: 'lanterns.example.com' }],
  ['logout', 'logout', { action: '/session/end/confirm', xsrf: 'xsrf', client, account }],
  ['logged-out', 'logged-out', { client, homeUrl: '/' }],
  ['logged-out-stayed', 'logged-out', { client, homeUrl: '/', isSignedIn: true }],
  [
    'form-post',
    'form-post',
    {
      action: 'https://lanterns.example.com/callback',
      fields: [
        ['code', '"><script>alert(1)</script>'],
        ['state', 'x'],
      ],
    },
  ],
  [
    'error',
    'error',
    {
      status: 400,
      code: 'invalid_redirect_uri',
      requestId: '7b0e7a52-2f43-4f0c-9a44-63d8f8a0e3d1',
      isRetryable: false,
    },
  ],
  ['error-busy', 'error', { status: 503, code: 'temporarily_unavailable', requestId: 'r', isRetryable: true }],
  ['home', 'home', { issuer: 'https://login.example.com', discoveryUrl: '/.well-known/openid-configuration' }],
  [
    'home-development',
    'home',
    {
      issuer: 'http://localhost:3000',
      discoveryUrl: 'http://localhost:3000/.well-known/openid-configuration',
      development: {
        user: 'alice@example.com',
        password: 'wonderland tea party',
        clients: [
          { clientId: 'demo-web', url: 'http://localhost:3001/' },
          { clientId: 'demo-spa', url: 'http://localhost:3002/' },
          { clientId: 'demo-machine' },
        ],
      },
    },
  ],
]
