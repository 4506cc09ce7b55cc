/**
 * The single-page app: login with code and PKCE, refresh by button and automatically before the
 * token expires, logout.
 */
const { UserManager } = globalThis.oidc
const { issuer, clientId, scope } = await (await fetch('/config.json')).json()

const manager = new UserManager({
  authority: issuer,
  client_id: clientId,
  redirect_uri: `${location.origin}/callback`,
  post_logout_redirect_uri: `${location.origin}/`,
  scope,
  loadUserInfo: true,
  automaticSilentRenew: true, // With a refresh token, a minute before the access token expires.
})

const element = (id) => document.getElementById(id)
let refreshed = 0

function show(user) {
  const isLoggedIn = Boolean(user && !user.expired)
  element('visitor').hidden = isLoggedIn
  element('person').hidden = !isLoggedIn
  if (!isLoggedIn) return
  element('name').textContent = user.profile.name ?? user.profile.email ?? user.profile.sub
  element('claims').textContent = JSON.stringify(user.profile, null, 2)
  element('expires').textContent = new Date(user.expires_at * 1000).toISOString()
  element('refreshed').textContent = refreshed
}

function report(error) {
  element('problem').hidden = false
  element('problem').textContent = error.error === 'access_denied' ? 'You cancelled the login.' : error.message
}

/** Runs the action of a button and shows its error. */
const on = (id, action) => element(id).addEventListener('click', () => action().catch(report))

on('login', () => manager.signinRedirect())
on('refresh', () => manager.signinSilent())
on('logout', () => manager.signoutRedirect())
manager.events.addUserLoaded((user) => {
  refreshed += 1
  show(user)
})
manager.events.addUserUnloaded(() => show(null))
manager.events.addSilentRenewError(report)

if (location.pathname === '/callback') {
  try {
    await manager.signinCallback()
  } catch (error) {
    report(error)
  }
  refreshed = 0
  history.replaceState(null, '', '/') // The code is used, so the URL does not need it.
}
show(await manager.getUser())
