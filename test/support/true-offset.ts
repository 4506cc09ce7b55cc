/** Replaces `src/database/offset.ts` in started processes: the database's clock is shifted too. */
import type { Queryable } from '../../src/database/database.ts'
import { measureOffset as measure } from '../../src/database/offset.ts'

export const measureOffset = (db: Queryable) => measure(db, { now: () => performance.timeOrigin + performance.now() })
