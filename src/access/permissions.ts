/** Every permission. A route names the one that it needs; roles will be sets of them. */

export const permissions = [
  'accounts:read',
  'accounts:write',
  'clients:read',
  'clients:write',
  'resource-servers:read',
  'resource-servers:write',
  'settings:read',
  'settings:write',
  'audit:read',
  'tokens:revoke',
  'logout-deliveries:read',
  'logout-deliveries:write',
  'keys:read',
  'keys:write',
  'server:operate',
] as const

export type Permission = (typeof permissions)[number]

/** Roles that can change other accounts: their accounts never sign in without a second factor. */
export const administratorRoles: readonly string[] = ['admin']
