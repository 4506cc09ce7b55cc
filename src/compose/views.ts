/**
 * What every page needs: the views, their static files, and the cookies that bind a form to its
 * page.
 */
import { join } from 'node:path'
import { captchaFiles } from '../captcha/index.ts'
import { loadAssets } from '../http/assets.ts'
import { createCookieKeys } from '../http/cookie-keys.ts'
import { createCsrf } from '../http/csrf.ts'
import { createViews } from '../http/views.ts'
import { factorViews, passkeyFiles } from '../mfa/index.ts'
import { createInteractionCookie } from '../oidc/index.ts'
import type { Defences } from './defences.ts'
import type { Platform } from './platform.ts'

export type ViewKit = ReturnType<typeof createViewKit>

export function createViewKit(platform: Platform, { shownRules }: Defences, { folder }: { folder: string }) {
  const { config, rootSecret, sentences, serviceName, clock, random } = platform
  const { issuer } = config
  const interactionCookie = createInteractionCookie({ issuer, clock })
  const csrf = createCsrf({
    key: rootSecret.derive('csrf'),
    issuer,
    random,
    pageBinding: interactionCookie.pageBinding,
  })
  const assets = platform.features.add(loadAssets(join(folder, 'assets'), { ...captchaFiles(), ...passkeyFiles() }))
  const views = createViews({
    folder,
    partials: factorViews(),
    sentences,
    csrf,
    assetUrl: assets.url,
    issuer,
    serviceName,
    passwordRules: shownRules,
  })
  return { interactionCookie, csrf, views, cookieKeys: createCookieKeys([rootSecret.derive('cookies')]) }
}
