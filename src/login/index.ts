/** Signing in with a password or a passkey, and the steps after it. */
import { createRefuseBreached } from './breached.ts'
import { createBrowserCookie } from './browser-cookie.ts'
import { createFinishLogin } from './finish.ts'
import { loginRoutes } from './routes.ts'
import { createSecurityNotifications } from './security-notifications.ts'
import { createLogin } from './service.ts'

type LoginDeps = Parameters<typeof createLogin>[0]
type RouteDeps = Parameters<typeof loginRoutes>[0]

type Deps = Omit<
  LoginDeps,
  'loginThrottle' | 'securityNotifications' | 'refuseBreached' | 'provePasskey' | 'refusePasskey'
> &
  Omit<Parameters<typeof createSecurityNotifications>[0], 'loginThrottle'> &
  Parameters<typeof createRefuseBreached>[0] &
  Parameters<typeof createBrowserCookie>[0] & {
    loginThrottle: LoginDeps['loginThrottle'] &
      Parameters<typeof createSecurityNotifications>[0]['loginThrottle'] & {
        needsCaptcha: RouteDeps['needsCaptcha']
        countedAs: RouteDeps['countedAs']
      }
    captcha: { create: RouteDeps['createCaptcha'] }
    passkeys: {
      signIn: LoginDeps['provePasskey']
      refuse: LoginDeps['refusePasskey']
      requestOptions: RouteDeps['passkeyOptions']
    }
  }

type PageDeps = Pick<RouteDeps, 'interactions' | 'views' | 'clearSteps'> & {
  factorPages: { show: RouteDeps['showStep']; begin: RouteDeps['beginSteps'] }
  consentPages: { show: RouteDeps['showConsent'] }
  consents: { refuse: RouteDeps['noteRefusal'] }
  registration: { isOpen: () => boolean }
  recovery: { isOffered: boolean }
}
type FinishDeps = Omit<Parameters<typeof createFinishLogin>[0], 'cookie' | 'securityNotifications'>

export function createLoginFeature(deps: Deps) {
  const {
    accounts,
    passwords,
    transaction,
    audit,
    clock,
    random,
    issuer,
    loginThrottle,
    passwordCheckLimit,
    captcha,
    passkeys,
  } = deps
  const { refuseUnproven, breaches, canSendEmail, sendEmail } = deps
  const securityNotifications = createSecurityNotifications({
    accounts,
    loginThrottle,
    sendEmail,
    transaction,
    audit,
    clock,
  })
  const browserCookie = createBrowserCookie({ issuer, random })
  const login = createLogin({
    accounts,
    passwords,
    transaction,
    audit,
    loginThrottle,
    passwordCheckLimit,
    securityNotifications,
    refuseUnproven,
    refuseBreached: createRefuseBreached({ breaches, canSendEmail, sendEmail, transaction, audit, clock }),
    provePasskey: passkeys.signIn,
    refusePasskey: passkeys.refuse,
  })
  return {
    login,
    securityNotifications,
    browserCookie,
    createFinish: (pages: FinishDeps) => createFinishLogin({ ...pages, cookie: browserCookie, securityNotifications }),
    createRoutes: ({ interactions, views, clearSteps, factorPages, consentPages, ...others }: PageDeps) =>
      loginRoutes({
        interactions,
        login,
        accounts,
        views,
        clearSteps,
        passkeyOptions: passkeys.requestOptions,
        needsCaptcha: loginThrottle.needsCaptcha,
        createCaptcha: captcha.create,
        browserToken: browserCookie.read,
        countedAs: loginThrottle.countedAs,
        showStep: factorPages.show,
        beginSteps: factorPages.begin,
        showConsent: consentPages.show,
        noteRefusal: others.consents.refuse,
        offers: () => ({ registration: others.registration.isOpen(), recovery: others.recovery.isOffered }),
      }),
  }
}
