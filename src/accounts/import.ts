/** Import and export of accounts in batches. Each import transaction stores the next position. */
import type { Audit, Initiator } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { Problem } from '../problems.ts'
import type { Random } from '../random.ts'
import { accountDocument } from './document.ts'
import type { ImportedAccount, ProblemOfHash } from './import-document.ts'
import { readImportLine } from './import-document.ts'
import * as repository from './import-repository.ts'
import { deleteAccount } from './repository.ts'

type Deps = {
  db: Queryable
  transaction: Transaction
  audit: Pick<Audit, 'record' | 'knownSubjects'>
  clock: Clock
  random: Random
  problemOfHash: ProblemOfHash
}

/** A line of the file. `text` is undefined when it is not UTF-8 or is too long. */
export type ImportLine = Readonly<{ number: number; text: string | undefined }>

/** The position in a file, in bytes and lines. */
export type ImportPosition = Readonly<{ nextByte: number; nextLine: number }>

export type BatchReport = Readonly<{
  imported: number
  /** Lines whose email or id already exists. They change nothing. */
  existing: readonly number[]
  refused: readonly Readonly<{ line: number; problems: readonly Problem[] }>[]
}>

const exportBatchSize = 1000

export function createAccountImport({ db, transaction, audit, clock, random, problemOfHash }: Deps) {
  type Row = repository.ImportRow & { line: number }

  const toRow = (line: number, { id, createdAt, ...account }: ImportedAccount, at: number): Row => ({
    line,
    input: account,
    id: id ?? random.id(),
    createdAt: createdAt ?? at,
    updatedAt: at,
  })

  /**
   * Inserts all rows in one statement. If that fails, inserts them one by one to find the bad line.
   */
  async function insert(tx: Tx, rows: readonly Row[]): Promise<{ ids: Set<string>; refused: number[] }> {
    try {
      return { ids: new Set(await tx.transaction((inner) => repository.importAccounts(inner, rows))), refused: [] }
    } catch (error) {
      if (!isAboutData(error)) throw error
    }
    const ids = new Set<string>()
    const refused: number[] = []
    for (const row of rows) {
      try {
        for (const id of await tx.transaction((inner) => repository.importAccounts(inner, [row]))) ids.add(id)
      } catch (error) {
        if (!isAboutData(error)) throw error
        refused.push(row.line)
      }
    }
    return { ids, refused }
  }

  /** Ids of deleted accounts: in the audit trail, but not in the table. */
  async function findSpent(tx: Tx, rows: readonly Row[]): Promise<Set<string>> {
    const known = await audit.knownSubjects(
      tx,
      'account',
      rows.map(({ id }) => id),
    )
    if (known.length === 0) return new Set()
    const existing = new Set(await repository.listExistingIds(tx, known))
    return new Set(known.filter((id) => !existing.has(id)))
  }

  /** Removes rows whose id was deleted during this transaction. Returns their ids. */
  async function removeSpent(tx: Tx, ids: ReadonlySet<string>): Promise<Set<string>> {
    const spent = await audit.knownSubjects(tx, 'account', [...ids])
    for (const id of spent) await deleteAccount(tx, id)
    return new Set(spent)
  }

  return {
    /** The position of the file with this digest. Undefined before its import has begun. */
    findPosition: (fileDigest: Buffer): Promise<ImportPosition | undefined> =>
      repository.findImportPosition(db, fileDigest),

    /**
     * Imports the valid lines and stores `position`, if the file can be read again. Invalid and
     * existing lines are reported and do not stop the import.
     */
    importBatch: async (
      lines: readonly ImportLine[],
      position: (ImportPosition & { fileDigest: Buffer }) | undefined,
      by: Initiator,
    ): Promise<BatchReport> => {
      const at = clock.now()
      const rows: Row[] = []
      const refused: { line: number; problems: readonly Problem[] }[] = []
      for (const { number: line, text } of lines) {
        if (text?.trim() === '') continue
        const read =
          text === undefined
            ? { problems: [{ path: '', code: 'line_unreadable' }] }
            : readImportLine(text, problemOfHash, at)
        if ('account' in read) rows.push(toRow(line, read.account, at))
        else refused.push({ line, problems: read.problems })
      }
      const result = await transaction(async (tx) => {
        const spent = await findSpent(tx, rows)
        const inserted = await insert(
          tx,
          rows.filter(({ id }) => !spent.has(id)),
        )
        for (const id of await removeSpent(tx, inserted.ids)) {
          inserted.ids.delete(id)
          spent.add(id)
        }
        if (position) await repository.putImportPosition(tx, position, at)
        const details = { count: inserted.ids.size, first_line: lines[0]?.number ?? 0 }
        if (inserted.ids.size > 0)
          await audit.record(tx, { action: 'account.imported', by, outcome: 'success', details })
        return { ids: inserted.ids, refused: inserted.refused, spent }
      })
      const imported = new Set(result.ids)
      for (const line of result.refused) refused.push({ line, problems: [{ path: '', code: 'database_refused' }] })
      for (const { id, line } of rows) {
        if (result.spent.has(id)) refused.push({ line, problems: [{ path: 'id', code: 'id_spent' }] })
      }
      return {
        imported: result.ids.size,
        // Of two lines with one id the first was imported, so each id counts once.
        existing: rows
          .filter(({ id, line }) => !imported.delete(id) && !result.refused.includes(line) && !result.spent.has(id))
          .map(({ line }) => line),
        refused: refused.sort((left, right) => left.line - right.line),
      }
    },

    /**
     * Every account as a document, with password hashes on request. The export is audited first.
     */
    exportAll: async function* ({ hasHashes, by }: { hasHashes: boolean; by: Initiator }) {
      const details = { has_hashes: hasHashes }
      await transaction((tx) => audit.record(tx, { action: 'account.exported', by, outcome: 'success', details }))
      let after: string | undefined
      for (;;) {
        const accounts = await repository.listAccountsAfter(db, after, exportBatchSize)
        if (accounts.length === 0) return
        after = accounts.at(-1)?.id
        yield accounts.map((account) => ({
          ...accountDocument(account),
          ...(hasHashes && account.passwordHash !== undefined && { password_hash: account.passwordHash }),
        }))
      }
    },

    count: (): Promise<number> => repository.countAccounts(db),
  }
}

/** SQLSTATE classes 22 (data exception, also invalid characters) and 23 (constraint violation). */
const isAboutData = (error: unknown): boolean => /^2[23]/.test(String((error as { code?: unknown }).code))
