/** Signing in: the password or a passkey, and what follows from it. */
import { createRefuseBreached } from './breached.ts'
import { createBrowserCookie } from './browser-cookie.ts'
import { createFinishLogin } from './finish.ts'
import { createLoginNotices } from './notices.ts'
import { loginRoutes } from './routes.ts'
import { createLogin } from './service.ts'

type LoginDeps = Parameters<typeof createLogin>[0]
type RouteDeps = Parameters<typeof loginRoutes>[0]

type Deps = Omit<LoginDeps, 'guesses' | 'notices' | 'refuseBreached' | 'provePasskey' | 'refusePasskey'> &
  Omit<Parameters<typeof createLoginNotices>[0], 'guesses'> &
  Parameters<typeof createRefuseBreached>[0] &
  Parameters<typeof createBrowserCookie>[0] & {
    guesses: LoginDeps['guesses'] &
      Parameters<typeof createLoginNotices>[0]['guesses'] & {
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
type FinishDeps = Omit<Parameters<typeof createFinishLogin>[0], 'cookie' | 'notices'>

export function createLoginFeature(deps: Deps) {
  const { accounts, passwords, transaction, audit, clock, random, issuer, guesses, proofs, captcha, passkeys } = deps
  const { refuseUnproven, breaches, canSendMail, sendMail } = deps
  const notices = createLoginNotices({ accounts, guesses, sendMail, transaction, audit, clock })
  const browserCookie = createBrowserCookie({ issuer, random })
  const login = createLogin({
    accounts,
    passwords,
    transaction,
    audit,
    guesses,
    proofs,
    notices,
    refuseUnproven,
    refuseBreached: createRefuseBreached({ breaches, canSendMail, sendMail, transaction, audit, clock }),
    provePasskey: passkeys.signIn,
    refusePasskey: passkeys.refuse,
  })
  return {
    login,
    notices,
    browserCookie,
    createFinish: (pages: FinishDeps) => createFinishLogin({ ...pages, cookie: browserCookie, notices }),
    createRoutes: ({ interactions, views, clearSteps, factorPages, consentPages, ...others }: PageDeps) =>
      loginRoutes({
        interactions,
        login,
        accounts,
        views,
        clearSteps,
        passkeyOptions: passkeys.requestOptions,
        needsCaptcha: guesses.needsCaptcha,
        createCaptcha: captcha.create,
        browserToken: browserCookie.read,
        countedAs: guesses.countedAs,
        showStep: factorPages.show,
        beginSteps: factorPages.begin,
        showConsent: consentPages.show,
        noteRefusal: others.consents.refuse,
        offers: () => ({ registration: others.registration.isOpen(), recovery: others.recovery.isOffered }),
      }),
  }
}
