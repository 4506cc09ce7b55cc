/**
 * How many releases the embedded Postgres is behind: its package is published less often than
 * Postgres.
 */
import type { Queryable } from '../database.ts'

/** The newest release of the major version at the time of writing; update it with the package. */
const newest = { major: 18, minor: 6 }

export type EmbeddedAge = Readonly<{
  version: string
  newest: string
  /** The number of newer releases with fixes. */
  releases: number
}>

/** Asks the embedded Postgres `db` for its version. */
export async function ageOfEmbedded(db: Queryable): Promise<EmbeddedAge> {
  // 180004 is 18.4.
  const { rows } = await db.raw("SELECT current_setting('server_version_num')::int AS number")
  const [major, minor] = [Math.floor(rows[0].number / 10_000), rows[0].number % 10_000]
  const releases = major === newest.major ? Math.max(0, newest.minor - minor) : 0
  return { version: `${major}.${minor}`, newest: `${newest.major}.${newest.minor}`, releases }
}
