/**
 * Replaces `src/database/offset.ts` in processes whose clock a test moves: the database's clock
 * moves too.
 */
import type { Queryable } from '../../src/database/database.ts'
import { measureOffset as measure } from '../../src/database/offset.ts'

export const measureOffset = (db: Queryable) => measure(db, { now: () => performance.timeOrigin + performance.now() })
