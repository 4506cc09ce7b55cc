/** One line of an import: an account document, and what only an account that comes from elsewhere brings along. */
import type { Problem } from '../problems.ts'
import { isRecord } from '../problems.ts'
import type { AccountInput } from './account.ts'
import { readAccountDocument } from './document.ts'
import { readMoment } from './moment.ts'

export type ImportedAccount = AccountInput & {
  /** The `sub` it had, when it is to keep it. */
  id: string | undefined
  passwordHash: string | undefined
  isDisabled: boolean
  /** Milliseconds since the epoch. */
  createdAt: number | undefined
}

/** What `latchkey user export` writes; the last three say something about the account and set nothing. */
const ownKeys = ['id', 'password_hash', 'disabled', 'created_at', 'has_password', 'email_problem', 'updated_at']

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** RFC 9562 §5.9: it stands for no id at all, and programs write it where one is missing. */
const nil = '00000000-0000-0000-0000-000000000000'
const longestHash = 500

/** The code of what is wrong with a hash: what a sign-in cannot verify would be found out by the person who cannot sign in. */
export type ProblemOfHash = (hash: string) => string | undefined

/** Reads a line at the moment `now`; gives the account, or every problem with it. */
export function readImportLine(
  line: string,
  problemOfHash: ProblemOfHash,
  now: number,
): { account: ImportedAccount } | { problems: Problem[] } {
  const document = parse(line)
  if (!isRecord(document)) return { problems: [{ path: '', code: 'not_json_object' }] }
  const { input, problems } = readAccountDocument(document, ownKeys)
  const { id, password_hash: passwordHash, disabled, created_at: createdAt } = document
  const isId = typeof id === 'string' && uuid.test(id) && id !== nil
  if (id !== undefined && !isId) problems.push({ path: 'id', code: 'not_uuid' })
  if (passwordHash !== undefined) {
    const isHash = typeof passwordHash === 'string' && passwordHash.length <= longestHash
    const code = isHash ? problemOfHash(passwordHash) : 'hash_unknown'
    if (code !== undefined) problems.push({ path: 'password_hash', code })
  }
  if (disabled !== undefined && typeof disabled !== 'boolean') problems.push({ path: 'disabled', code: 'not_boolean' })
  const createdAtMs = createdAt === undefined ? undefined : readCreatedAt(createdAt, now)
  if (typeof createdAtMs === 'string') problems.push({ path: 'created_at', code: createdAtMs })
  if (problems.length > 0) return { problems }
  return {
    account: {
      ...input,
      id: id as string | undefined,
      passwordHash: passwordHash as string | undefined,
      isDisabled: disabled === true,
      createdAt: createdAtMs as number | undefined,
    },
  }
}

/** Milliseconds since the epoch, or the code of what is wrong. */
function readCreatedAt(createdAt: unknown, now: number): number | string {
  const moment = readMoment(createdAt)
  if (moment === undefined) return 'not_moment'
  if (moment === 'leap') return 'moment_leap_second'
  if (moment < 0) return 'moment_too_early'
  return moment > now ? 'moment_ahead' : moment
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
