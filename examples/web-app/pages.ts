/** The web app's two pages, as plain HTML. */
import type { Session } from './server.ts'

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character]!)

const layout = (body: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Demo web app</title>
<link rel="icon" href="data:,">
<h1>Demo web app</h1>
${body}
</html>
`

/** The button for a visitor; the claims, refresh and logout for a signed-in user. */
export function homePage(session: Session | undefined): string {
  const user = session?.user
  if (!user) return layout('<p>Nobody is logged in.</p>\n<p><a id="login" href="/login">Log in with Latchkey</a></p>')
  const name = String(user.claims.name ?? user.claims.email ?? user.claims.sub)
  return layout(`<p>Hello, <strong id="name">${escapeHtml(name)}</strong>.</p>
<h2>Claims</h2>
<pre id="claims">${escapeHtml(JSON.stringify(user.claims, null, 2))}</pre>
<p>The access token expires at <time>${user.accessTokenExpiresAt.toISOString()}</time>;
it was refreshed <span id="refreshed">${user.refreshed}</span> times.</p>
<form method="post" action="/refresh"><button id="refresh">Refresh</button></form>
<form method="post" action="/logout"><button id="logout">Log out</button></form>`)
}

export const problemPage = (sentence: string): string =>
  layout(`<p id="problem">${escapeHtml(sentence)}</p>\n<p><a href="/">Back</a></p>`)
