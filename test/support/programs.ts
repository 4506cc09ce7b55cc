/** Programs that some tests need and npm does not install, and the tests skipped without them. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import path from 'node:path'

export const programNames = ['chromium', 'redis-server', 'postgres', 'pgbouncer', 'haproxy'] as const
export type ProgramName = (typeof programNames)[number]

/** Starts the name of a skipped test, so that the run can report what was missing. */
export const skippedBecauseOf = (program: ProgramName) => `[needs ${program}]`

const onPath = (names: readonly string[]): string[] =>
  (process.env.PATH ?? '').split(path.delimiter).flatMap((folder) => names.map((name) => path.join(folder, name)))

// Debian installs each version of the Postgres server programs outside the PATH.
function debianPostgres(): string[] {
  const versions = '/usr/lib/postgresql'
  if (!existsSync(versions)) return []
  const newestFirst = readdirSync(versions).sort((a, b) => Number(b) - Number(a))
  return newestFirst.map((version) => path.join(versions, version, 'bin/postgres'))
}

const places: Record<ProgramName, () => string[]> = {
  chromium: () => onPath(['chromium', 'chromium-browser', 'google-chrome', 'chrome']),
  'redis-server': () => [...onPath(['redis-server']), '/usr/sbin/redis-server'],
  pgbouncer: () => [...onPath(['pgbouncer']), '/usr/sbin/pgbouncer'],
  haproxy: () => [...onPath(['haproxy']), '/usr/sbin/haproxy'],
  postgres: () => [...onPath(['postgres']), ...debianPostgres()],
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    // The file is missing or cannot be executed.
    return false
  }
}

/**
 * Absolute path of `program`; undefined when it is not installed.
 * LATCHKEY_TEST_WITHOUT lists programs to ignore, to test the behaviour without them.
 */
export function findProgram(program: ProgramName): string | undefined {
  if (process.env.LATCHKEY_TEST_WITHOUT?.split(',').includes(program)) return undefined
  return places[program]().find(isExecutable)
}

/**
 * Absolute path of `program`. Throws when it is missing, which cannot happen within `describeWith`.
 */
export function getProgram(program: ProgramName): string {
  const file = findProgram(program)
  if (!file) throw new Error(`${program} is not installed`)
  return file
}

type Needed = ProgramName | readonly ProgramName[]

const listMissing = (needed: Needed): ProgramName[] => [needed].flat().filter((program) => !findProgram(program))

// In CI every program is required: a missing one is a failure, not a reason to skip.
const isEverythingRequired = () => process.env.CI === 'true'

const failsFor = (program: ProgramName) => () => {
  throw new Error(`${program} is not installed, and CI=true requires it`)
}

/** A group of tests that needs a program. Without it they are skipped, or fail with CI=true. */
export function describeWith(needed: Needed, name: string, define: () => void): void {
  const [missing] = listMissing(needed)
  if (!missing) describe(name, define)
  else if (isEverythingRequired()) test(`${skippedBecauseOf(missing)} ${name}`, failsFor(missing))
  else describe.skip(`${skippedBecauseOf(missing)} ${name}`, define)
}
