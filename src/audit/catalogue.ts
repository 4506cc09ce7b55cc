/** Every action the audit trail knows. A name once released is never reused for something else. */

export const auditActions = [
  'account.created',
  'account.updated',
  'account.password_set',
  'account.disabled',
  'account.enabled',
  'account.signed_in',
  'account.sign_in_failed',
  'account.signed_out',
  'client.created',
  'client.updated',
  'client.removed',
  'client.secret_rotated',
  'client.disabled',
  'client.enabled',
  'resource_server.created',
  'resource_server.updated',
  'resource_server.removed',
  'consent.granted',
  'consent.refused',
  'consent.withdrawn',
  'grant.ended',
  'refresh_token.family_ended',
  'setting.changed',
  'seed.applied',
  'migration.applied',
  'key.created',
  'key.state_changed',
  'key.revoked',
] as const

export type AuditAction = (typeof auditActions)[number]
