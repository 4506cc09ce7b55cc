/** Where a person is signed in and which clients hold a grant of theirs, for whoever looks before ending one. */
import type { Model, Models } from './model.ts'
import type { Cell, Postgres, Statement } from './postgres/connection.ts'
import type { Seal } from './seal.ts'

/** Times are milliseconds since the epoch. A key names the thing to be ended and opens nothing. */
export type Access = Readonly<{
  sessions: readonly {
    key: Buffer
    signedInAt: number | undefined
    clientIds: readonly string[]
    expiresAt: number | undefined
  }[]
  grants: readonly { key: Buffer; clientId: string; issuedAt: number; expiresAt: number | undefined }[]
}>

type Deps = { postgres: Postgres; models: Models; seal: Seal; now: () => number }

const byAccount: Statement = {
  name: 'artifact_by_account',
  text: `
    SELECT id, model, uid, payload, issued_at, expires_at FROM artifact
    WHERE account_id = $1 AND grant_key IS NULL AND (model = $2::int2 OR model = $3::int2)
      AND (expires_at IS NULL OR expires_at > $4::int8)
    ORDER BY issued_at DESC LIMIT 1000`,
}

const milliseconds = (cell: Cell | undefined): number | undefined =>
  cell === null || cell === undefined ? undefined : Number(cell)

export function createAccessList({ postgres, models, seal, now }: Deps) {
  return async (accountId: string): Promise<Access> => {
    const rows = await postgres.query(byAccount, [accountId, models.Session.number, models.Grant.number, now()])
    const opened = rows.flatMap(([id, model, uid, sealed, issuedAt, expiresAt]) => {
      const text = seal.open(sealed as Buffer, id as Buffer)
      if (text === undefined) return []
      const payload = JSON.parse(text) as Record<string, unknown>
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
    return {
      sessions: of(models.Session).flatMap(({ uid, payload, expiresAt }) => {
        if (!Buffer.isBuffer(uid)) return []
        const { loginTs, authorizations } = payload as { loginTs?: number; authorizations?: Record<string, unknown> }
        const signedInAt = loginTs === undefined ? undefined : loginTs * 1000
        return [{ key: uid, signedInAt, clientIds: Object.keys(authorizations ?? {}), expiresAt }]
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
