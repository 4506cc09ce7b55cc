/** One line of an import: an account document with the additional keys of imported accounts. */
import type { Problem } from '../problems.ts'
import { isRecord } from '../problems.ts'
import type { AccountInput } from './account.ts'
import { readAccountDocument } from './document.ts'
import { readTimestamp } from './timestamp.ts'

export type ImportedAccount = AccountInput & {
  /** The `sub` to keep, if given. */
  id: string | undefined
  passwordHash: string | undefined
  isDisabled: boolean
  /** Milliseconds since the epoch. */
  createdAt: number | undefined
}

/** The keys that `latchkey user export` writes. The last three are informational. */
const ownKeys = ['id', 'password_hash', 'disabled', 'created_at', 'has_password', 'email_problem', 'updated_at']

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** RFC 9562 §5.9: the nil UUID. Programs write it for a missing id. */
const nil = '00000000-0000-0000-0000-000000000000'
const longestHash = 500

/** Returns the problem code of a hash, or undefined: found here, and not at the first sign-in. */
export type ProblemOfHash = (hash: string) => string | undefined

/** Parses a line at the time `now`. Returns the account, or every problem. */
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

/** Milliseconds since the epoch, or the code of the problem. */
function readCreatedAt(createdAt: unknown, now: number): number | string {
  const timestamp = readTimestamp(createdAt)
  if (timestamp === undefined) return 'not_moment'
  if (timestamp === 'leap') return 'moment_leap_second'
  if (timestamp < 0) return 'moment_too_early'
  return timestamp > now ? 'moment_ahead' : timestamp
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // The caller refuses the line by its number.
    return undefined
  }
}
