/** The rows of docs/reference/routes.md, as the page has them and as a route requires them. */
import type { Route } from '../../src/http/route.ts'

/** Path, method, access and limit of each row that has a description. */
export const routeRowsIn = (page: string): string[][] =>
  [...page.matchAll(/^\| `(\S+)` +\| ([A-Z, ]+?) +\| ([^|]+?) +\| (\S+) +\| [^\s|]/gm)].map(([, ...cells]) => cells)

const sessions = { any: 'session', recent: 'recent session', 'recent+factor': 'recent session, with the second factor' }

function accessOf(access: Route['access']): string {
  if (typeof access === 'string' || 'public' in access) return 'public'
  if ('session' in access) return sessions[access.session]
  return 'permission' in access ? `permission \`${access.permission}\`` : `client, ${access.client}`
}

export const routeRowOf = ({ method, path, access, limit }: Pick<Route, 'method' | 'path' | 'access' | 'limit'>) => [
  path,
  method,
  accessOf(access),
  limit && 'policy' in limit ? `\`${limit.policy}\`` : 'none',
]
