/**
 * Lists the sessions of an account and the clients with a grant from it, before one of them is
 * ended.
 */
import { mapKey } from './digest.ts'
import type { EndsAt } from './last-use.ts'
import type { Model, Models, Payload } from './model.ts'
import { bytesArray } from './postgres/binary-array.ts'
import type { Cell, Postgres, Statement } from './postgres/connection.ts'
import { lives } from './postgres/ended.ts'
import type { Seal } from './seal.ts'

/**
 * Times are milliseconds since the epoch. A key only names the session or grant: it is no
 * credential.
 */
export type Access = Readonly<{
  sessions: readonly {
    key: Buffer
    signedInAt: number | undefined
    clientIds: readonly string[]
    expiresAt: number | undefined
  }[]
  grants: readonly { key: Buffer; clientId: string; issuedAt: number; expiresAt: number | undefined }[]
}>

type Deps = { postgres: Postgres; models: Models; seal: Seal; endsAt: EndsAt; now: () => number }

const byAccount: Statement = {
  name: 'artifact_by_account',
  text: `
    SELECT id, model, uid, payload, issued_at, expires_at FROM artifact a
    WHERE account_id = $1 AND grant_key IS NULL AND (model = $2::int2 OR model = $3::int2)
      AND (expires_at IS NULL OR expires_at > $4::int8) AND ${lives('a')}
    ORDER BY issued_at DESC LIMIT 1000`,
}

const milliseconds = (cell: Cell | undefined): number | undefined =>
  cell === null || cell === undefined ? undefined : Number(cell)

const clientsOf: Statement = {
  name: 'session_clients',
  text: `
    SELECT session_key, client_id FROM session_client WHERE session_key = ANY($1::bytea[])
    GROUP BY session_key, client_id ORDER BY min(noted_at)`,
}

export function createAccessList({ postgres, models, seal, endsAt, now }: Deps) {
  async function clientsBySession(keys: readonly Buffer[]): Promise<Map<string, string[]>> {
    const clients = new Map<string, string[]>()
    for (const [key, clientId] of await postgres.query(clientsOf, [bytesArray(keys)])) {
      const name = mapKey(key as Buffer)
      clients.set(name, [...(clients.get(name) ?? []), String(clientId)])
    }
    return clients
  }

  /** Omits sessions that have expired by the current configuration: their rows may still exist. */
  async function living<S extends { payload: Payload; expiresAt: number | undefined }>(all: readonly S[]) {
    const sessions: S[] = []
    for (const session of all) {
      const at = (await endsAt('Session', session.payload)) ?? Number.POSITIVE_INFINITY
      if (at <= now()) continue
      session.expiresAt = Math.min(at, session.expiresAt ?? at)
      sessions.push(session)
    }
    return sessions
  }

  return async (accountId: string): Promise<Access> => {
    const rows = await postgres.query(byAccount, [accountId, models.Session.number, models.Grant.number, now()])
    const opened = rows.flatMap(([id, model, uid, sealed, issuedAt, expiresAt]) => {
      const text = seal.open(sealed as Buffer, id as Buffer)
      if (text === undefined) return []
      const payload = JSON.parse(text) as Payload
      return [
        {
          id: id as Buffer,
          model: Number(model),
          uid,
          payload,
          issuedAt: Number(issuedAt),
          expiresAt: milliseconds(expiresAt),
        },
      ]
    })
    const of = ({ number }: Model) => opened.filter(({ model }) => model === number)
    const sessions = await living(of(models.Session))
    const clients = await clientsBySession(sessions.flatMap(({ uid }) => (Buffer.isBuffer(uid) ? [uid] : [])))
    return {
      sessions: sessions.flatMap(({ uid, payload, expiresAt }) => {
        if (!Buffer.isBuffer(uid)) return []
        const { loginTs, authorizations } = payload as { loginTs?: number; authorizations?: Record<string, unknown> }
        const signedInAt = loginTs === undefined ? undefined : loginTs * 1000
        // Sessions from before client rows existed have their clients in the payload.
        const clientIds = [...new Set([...Object.keys(authorizations ?? {}), ...(clients.get(mapKey(uid)) ?? [])])]
        return [{ key: uid, signedInAt, clientIds, expiresAt }]
      }),
      grants: of(models.Grant).map(({ id, payload, issuedAt, expiresAt }) => ({
        key: id,
        clientId: String(payload.clientId),
        issuedAt,
        expiresAt,
      })),
    }
  }
}
