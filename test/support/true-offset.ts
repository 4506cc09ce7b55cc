/** Replaces `src/database/clock-offset.ts` in started processes: the database's clock is shifted too. */

import { measureClockOffset as measure } from '../../src/database/clock-offset.ts'
import type { Queryable } from '../../src/database/database.ts'

export const measureClockOffset = (db: Queryable) =>
  measure(db, { now: () => performance.timeOrigin + performance.now() })
