/** Replaces `src/database/clock-offset.ts` in processes: shifts the clock of the database too. */

import { measureClockOffset as measure } from '../../src/database/clock-offset.ts'
import type { Queryable } from '../../src/database/database.ts'

export const measureClockOffset = (db: Queryable) =>
  measure(db, { now: () => performance.timeOrigin + performance.now() })
