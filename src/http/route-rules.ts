/** The rules that find an incomplete route, or one that contradicts itself or another. */
import type { Router } from '@koa/router'
import { z } from 'zod'
import type { AccessGuards, ClientDemand, SessionDemand } from '../access/access.ts'
import type { Route } from './route.ts'

export const routeKinds = ['page', 'form', 'json', 'asset'] as const
export type RouteKind = (typeof routeKinds)[number]
export const routeMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type RouteMethod = (typeof routeMethods)[number]

const sessionDemands: readonly SessionDemand[] = ['any', 'recent', 'recent+factor']
const clientDemands: readonly ClientDemand[] = ['authenticated', 'public', 'named']
const accessKinds = ['public', 'session', 'permission', 'client'] as const
/**
 * A public route here must give a reason. A parameter at the beginning of a path matches these too.
 */
const guardedPath = /^\/((account|admin|scim)(\/|$)|[:*{])/

/** `permissions` and `policies` are complete lists. */
type Known = { permissions: readonly string[]; guards: AccessGuards; policies: readonly string[] }

/** The problems of a route, one sentence each; empty when it can be mounted. */
export function problemsOf(route: Route, known: Known): string[] {
  const { kind, method, path, body, csrf, limit } = route
  const { policies } = known
  const writes = method !== 'GET'
  const takesBody = ['POST', 'PUT', 'PATCH'].includes(method)
  const rules: [boolean, string][] = [
    [!route.name, 'it has no name'],
    [!routeKinds.includes(kind), `its kind "${kind}" is unknown`],
    [!routeMethods.includes(method), `its method "${method}" is unknown`],
    [!path?.startsWith('/'), 'its path does not begin with a slash'],
    [typeof route.handler !== 'function', 'it has no handler'],
    [(kind === 'page' || kind === 'asset') && writes, `a route of kind ${kind} only reads: its method is GET`],
    [kind === 'form' && method !== 'POST', 'a form is sent with POST'],
    [takesBody && !body, 'it takes a body and has no schema for it'],
    [!takesBody && !!body, `a ${method} has no body`],
    [!!body && !(body.schema instanceof z.ZodType), 'its body has no schema'],
    [
      body?.schema instanceof z.ZodObject && !isStrict(body.schema),
      'its body schema lets unknown fields through: use z.strictObject',
    ],
    [
      kind === 'form' && !!body && !(body.schema instanceof z.ZodObject),
      'a form is an object of fields: use z.strictObject',
    ],
    [body?.limitBytes !== undefined && !(body.limitBytes > 0), 'its body limit is not a number of bytes above 0'],
    [kind === 'form' && csrf !== 'token', 'a form needs csrf: "token"'],
    [kind === 'json' && writes && !csrf, 'it writes: csrf is "token", or the reason why it needs none'],
    [typeof csrf === 'object' && !csrf.exempt, 'its exemption from csrf has no reason'],
    [!writes && csrf !== undefined, 'a GET changes nothing and has no csrf'],
    [kind === 'form' && !limit, 'a form names the limit that counts it, or the reason why it needs none'],
    [!!limit && 'exempt' in limit && !limit.exempt, 'its exemption from limits has no reason'],
    [
      !!limit && 'policy' in limit && !policies.includes(limit.policy),
      `its limit "${limit && 'policy' in limit ? limit.policy : ''}" is unknown, or nothing counts it`,
    ],
    [/[:*{]/.test(path ?? '') !== !!route.params, 'its path parameters and its params schema do not go together'],
    ...accessRules(route, known),
  ]
  const label = `${method} ${path} (${route.name})`
  return rules.filter(([isBroken]) => isBroken).map(([, problem]) => `${label}: ${problem}`)
}

function accessRules({ access, path }: Route, { permissions, guards }: Known): [boolean, string][] {
  if (access === 'public') {
    return [[guardedPath.test(path ?? ''), "a public route at a guarded path says why: access: { public: 'reason' }"]]
  }
  // TypeScript allows an object with the members of several union types; a route with two kinds of
  // access is invalid.
  const [kind, ...others] = Object.keys(access ?? {})
  if (!access || others.length > 0 || !accessKinds.some((known) => known === kind)) {
    return [[true, 'its access is one of: public, a session, a permission, a client']]
  }
  if ('public' in access) return [[!access.public, 'its public access has no reason']]
  if ('session' in access) {
    return [
      [!sessionDemands.includes(access.session), `its session demand "${access.session}" is unknown`],
      [!guards.session, 'it needs a session and nothing checks sessions'],
    ]
  }
  if ('permission' in access) {
    return [
      [!permissions.includes(access.permission), `its permission "${access.permission}" is unknown`],
      [!guards.permission, 'it needs a permission and nothing checks permissions'],
    ]
  }
  return [
    [!clientDemands.includes(access.client), `its client demand "${access.client}" is unknown`],
    [!guards.client, 'it needs a client and nothing checks clients'],
  ]
}

const isStrict = (schema: z.ZodObject): boolean => schema.def.catchall instanceof z.ZodNever

/** Two paths that differ only in the names of their parameters are equal. */
export const shapeOf = (path: string): string => path.replace(/:\w+/g, ':')

/**
 * Routes with the method and path of another of `routes` or of `router`, or with the name of
 * another of `routes`.
 */
export function duplicatesIn(router: Router, routes: readonly Route[]): string[] {
  const mounted = router.stack.flatMap((layer) =>
    layer.methods.map((method) => `${method} ${shapeOf(String(layer.path))}`),
  )
  const seen = new Set(mounted)
  const names = new Set<string>()
  return routes.flatMap(({ method, path, name }) => {
    const routeKey = `${method} ${shapeOf(path)}`
    const isTaken = seen.has(routeKey)
    const isNameTaken = names.has(name)
    seen.add(routeKey)
    names.add(name)
    return [
      ...(isTaken ? [`${method} ${path} (${name}): another route has this method and path`] : []),
      ...(isNameTaken ? [`${method} ${path} (${name}): another route has this name`] : []),
    ]
  })
}
