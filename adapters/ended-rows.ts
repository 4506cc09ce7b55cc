/**
 * Removes the rows of what has ended, one batch per transaction, and reports ended sessions. The
 * rows are already invalid because of the stored end.
 */
import type { Knex } from 'knex'
import { mapKey } from './digest.ts'
import type { Models, Payload } from './model.ts'
import { permanentEnd } from './postgres/ended.ts'
import type { Seal } from './seal.ts'

export type Tx = Knex.Transaction

/** A browser session that has ended: its account, and its name (`sid`) at each client. */
export type EndedSession = Readonly<{
  accountId: string | undefined
  clients: readonly { clientId: string; sid: string | undefined }[]
}>

/** The numbers of the kinds in `artifact_sweep`. */
export const endedKinds = { account: 1, client: 2, consent: 3, session: 4, grant: 5, everything: 6 } as const

/** An end as `artifact_sweep` stores it. Its ids have passed `storableText`, as in `artifact`. */
export type EndedItem = Readonly<{
  key: Buffer
  kind: keyof typeof endedKinds
  accountId?: string
  clientId?: string
  endedAt: number
}>

/** `isDone`: no rows are left. `after`: the kind `everything` continues after this row. */
export type RemovalResult = Readonly<{ count: number; isDone: boolean; after?: Buffer }>

/**
 * `isFirst`: the batch runs in the transaction that stores the end.
 * `preservedKey`: this session stays valid.
 */
type Batch = Readonly<{ after?: Buffer | undefined; preservedKey?: Buffer | undefined; isFirst?: boolean }>

type Deps = {
  models: Models
  seal: Pick<Seal, 'open'>
  sidOf: (sessionUid: string, clientId: string) => string
  /** Called in the transaction that removes the sessions, for every cause of their end. */
  onSessionsEnded: (tx: Tx, sessions: readonly EndedSession[]) => Promise<void> | void
}

// A root is a row without a grant. It may be a session whose clients must be notified, so its batch
// is smaller.
const rootBatchSize = 100
const tokenBatchSize = 1000
const lookupBatchSize = 300

type Row = { id: Buffer; uid: Buffer | null; payload: Buffer | null }

export function createEndedRows({ models, seal, sidOf, onSessionsEnded }: Deps) {
  /**
   * The account of the session, with the clients of its rows and of its payload. An earlier version
   * of the program stores clients only in the payload, and their `sid` stays valid.
   */
  function toEnded(text: string, clientIds: readonly string[]): EndedSession {
    const { accountId, uid = '', authorizations = {} } = JSON.parse(text) as Payload
    const ids = [...new Set([...Object.keys(authorizations), ...clientIds])]
    return {
      accountId: typeof accountId === 'string' ? accountId : undefined,
      clients: ids.map((clientId) => ({ clientId, sid: authorizations[clientId]?.sid ?? sidOf(uid, clientId) })),
    }
  }

  /** Deletes the client rows of sessions. Gives the clients by session. */
  async function takeClients(tx: Tx, keys: readonly Buffer[]): Promise<Map<string, string[]>> {
    const clients = new Map<string, string[]>()
    if (keys.length === 0) return clients
    const { rows } = await tx.raw(
      'DELETE FROM session_client WHERE session_key = ANY(?) RETURNING session_key, client_id',
      [keys],
    )
    for (const { session_key: key, client_id: clientId } of rows as { session_key: Buffer; client_id: string }[]) {
      const of = clients.get(mapKey(key)) ?? []
      clients.set(mapKey(key), [...of, clientId])
    }
    return clients
  }

  async function reportEnded(tx: Tx, gone: readonly Row[]): Promise<void> {
    const sessions = gone.flatMap(({ id, uid, payload }) => {
      const text = payload ? seal.open(payload, id) : undefined
      return text === undefined ? [] : [{ text, uid }]
    })
    const clients = await takeClients(
      tx,
      gone.flatMap(({ uid }) => (uid ? [uid] : [])),
    )
    const ended = sessions.map(({ text, uid }) => toEnded(text, (uid && clients.get(mapKey(uid))) ?? []))
    if (ended.length > 0) await onSessionsEnded(tx, ended)
  }

  /**
   * Locks rows to be removed, and skips rows that a request has locked: they are removed later.
   * Deletion never waits for a request, so that no deadlock is possible.
   */
  async function lockRows(tx: Tx, where: string, bindings: readonly Knex.Bindable[], limit: number): Promise<Row[]> {
    const { rows } = await tx.raw(
      `SELECT id, uid, CASE WHEN model = ? THEN payload END AS payload FROM artifact
       WHERE ${where} LIMIT ? FOR UPDATE SKIP LOCKED`,
      [models.Session.number, ...bindings, limit],
    )
    return rows
  }

  async function deleteRows(tx: Tx, rows: readonly Row[]): Promise<number> {
    if (rows.length === 0) return 0
    await tx.raw('DELETE FROM artifact WHERE id = ANY(?)', [rows.map(({ id }) => id)])
    await reportEnded(
      tx,
      rows.filter(({ uid }) => uid),
    )
    return rows.length
  }

  async function exists(tx: Tx, where: string, bindings: readonly Knex.Bindable[]): Promise<boolean> {
    const { rows } = await tx.raw(`SELECT 1 FROM artifact WHERE ${where} LIMIT 1`, bindings)
    return rows.length > 0
  }

  /** Removes only the rows that match `where`. */
  async function removeMatching(
    tx: Tx,
    where: string,
    bindings: readonly Knex.Bindable[],
    limit: number,
  ): Promise<RemovalResult> {
    const count = await deleteRows(tx, await lockRows(tx, where, bindings, limit))
    return { count, isDone: count < limit && !(await exists(tx, where, bindings)) }
  }

  /** Removes the tokens of the roots, then the roots. Tokens are found only by their root. */
  async function removeRoots(tx: Tx, where: string, bindings: readonly Knex.Bindable[]): Promise<RemovalResult> {
    const roots = await lockRows(tx, where, bindings, rootBatchSize)
    const tokens = await removeMatching(tx, 'grant_key = ANY(?)', [roots.map(({ id }) => id)], tokenBatchSize)
    if (!tokens.isDone) return tokens
    const count = tokens.count + (await deleteRows(tx, roots))
    return { count, isDone: roots.length < rootBatchSize && !(await exists(tx, where, bindings)) }
  }

  /**
   * Reads a batch in the order of ids and removes the rows that have ended. No other index has
   * every row.
   */
  async function removeEverything(tx: Tx, endedAt: number, after: Buffer): Promise<RemovalResult> {
    const { rows } = await tx.raw(
      'SELECT id, model <> ? AND issued_at <= ? AS is_over FROM artifact WHERE id > ? ORDER BY id LIMIT ?',
      [models.ReplayDetection.number, endedAt, after, lookupBatchSize],
    )
    const seen = rows as { id: Buffer; is_over: boolean }[]
    const over = seen.flatMap(({ id, is_over: isOver }) => (isOver ? [id] : []))
    const count = over.length > 0 ? await deleteRows(tx, await lockRows(tx, 'id = ANY(?)', [over], lookupBatchSize)) : 0
    const last = seen.at(-1)?.id
    return last ? { count, isDone: seen.length < lookupBatchSize, after: last } : { count, isDone: true }
  }

  /**
   * Removes one batch. The size is limited, so that the ending transaction can remove the first
   * batch itself.
   */
  return async (
    tx: Tx,
    ended: EndedItem,
    { after = Buffer.alloc(0), preservedKey, isFirst = false }: Batch,
  ): Promise<RemovalResult> => {
    const { key, kind, accountId = null, clientId = null, endedAt } = ended
    // All rows that the ending transaction sees were issued before the end, even if clocks differ.
    const before = isFirst ? permanentEnd : endedAt
    switch (kind) {
      case 'account': {
        const own = 'account_id = ? AND grant_key IS NULL AND issued_at <= ?'
        if (!preservedKey) return removeRoots(tx, own, [accountId, before])
        return removeRoots(tx, `${own} AND uid IS DISTINCT FROM ?`, [accountId, before, preservedKey])
      }
      case 'client':
        return removeRoots(tx, 'client_id = ? AND grant_key IS NULL AND issued_at <= ?', [clientId, before])
      case 'consent':
        return removeRoots(
          tx,
          'account_id = ? AND client_id = ? AND grant_key IS NULL AND model <> ? AND issued_at <= ?',
          [accountId, clientId, models.Interaction.number, before],
        )
      case 'session': {
        const sessions = await removeMatching(tx, 'uid = ?', [key], rootBatchSize)
        const tokens = await removeMatching(tx, 'session_uid = ?', [key], tokenBatchSize)
        return { count: sessions.count + tokens.count, isDone: sessions.isDone && tokens.isDone }
      }
      case 'grant': {
        const tokens = await removeMatching(tx, 'grant_key = ? AND issued_at <= ?', [key, before], tokenBatchSize)
        if (!tokens.isDone || endedAt !== permanentEnd) return tokens
        const grant = await removeMatching(tx, 'id = ?', [key], 1)
        return { count: tokens.count + grant.count, isDone: !(await exists(tx, 'id = ?', [key])) }
      }
      case 'everything':
        return removeEverything(tx, endedAt, after)
    }
  }
}
