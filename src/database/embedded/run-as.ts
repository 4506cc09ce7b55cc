/** As which user Postgres runs: it refuses root, and its data folder must be its own. */
import type { SpawnOptions } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { embeddedOtherOwner } from './errors.ts'

export type RunAs = {
  /** Numeric user and group that own what Postgres writes; undefined where there is no such thing (Windows). */
  owner: { uid: number; gid: number } | undefined
  /** Starts a program as that user, in a folder that everybody may enter. */
  start: (program: string, args: readonly string[], options: SpawnOptions) => ReturnType<typeof spawn>
  /** Makes a folder that only that user may read. */
  makeFolder: (folder: string) => void
  /** Makes a file that user's. */
  give: (file: string) => void
}

// Debian's, and nearly everybody's, `nobody`.
const nobody = 65534

/**
 * For the Postgres of `dataFolder`. As root: the owner of that folder (or of the nearest folder above it), and nobody when that is root.
 * Everybody else runs it as themselves, and `embedded_database_other_owner` is thrown when the folder is not theirs.
 * `programs` is the folder with Postgres' own files, which that user has to be able to read.
 */
export function runAs({ dataFolder, programs }: { dataFolder: string; programs: string }): RunAs {
  const user = process.getuid?.()
  const group = process.getgid?.()
  if (user === undefined || group === undefined) return asOurselves(undefined)
  const existing = nearestFolder(dataFolder)
  const { uid, gid } = statSync(existing)
  if (user !== 0) {
    if (existing === dataFolder && uid !== user)
      throw embeddedOtherOwner({ params: { folder: dataFolder, owner: uid, user } })
    return asOurselves({ uid: user, gid: group })
  }
  const owner = uid === 0 ? { uid: nobody, gid: nobody } : { uid, gid }
  const canRead = canReach(owner, programs, path.dirname(dataFolder))
  return {
    owner,
    start: canRead ? asUser(owner) : asUserWithReach(owner),
    makeFolder: (folder) => {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      chownSync(folder, owner.uid, owner.gid)
    },
    give: (file) => chownSync(file, owner.uid, owner.gid),
  }
}

/** `folder`, or the first above it that exists. */
function nearestFolder(folder: string): string {
  return statSync(folder, { throwIfNoEntry: false }) ? folder : nearestFolder(path.dirname(folder))
}

const asOurselves = (owner: RunAs['owner']): RunAs => ({
  owner,
  start: (program, args, options) => spawn(program, args, { cwd: '/', ...options }),
  makeFolder: (folder) => void mkdirSync(folder, { recursive: true, mode: 0o700 }),
  give: () => {},
})

const asUser =
  ({ uid, gid }: { uid: number; gid: number }): RunAs['start'] =>
  (program, args, options) =>
    spawn(program, args, { cwd: '/', ...options, uid, gid })

// A checkout below a folder that only root may enter (/root): Postgres gets the one capability to enter it, and keeps nothing else
// of root. `no_setuid_fixup` lets the capability outlive the change of user.
const asUserWithReach =
  ({ uid, gid }: { uid: number; gid: number }): RunAs['start'] =>
  (program, args, options) => {
    const capability = [
      '--securebits=+no_setuid_fixup',
      '--inh-caps=-all,+dac_override',
      '--ambient-caps=+dac_override',
    ]
    const user = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']
    return spawn('setpriv', [...capability, ...user, '--bounding-set=-all,+dac_override', program, ...args], {
      cwd: '/',
      ...options,
    })
  }

function canReach({ uid, gid }: { uid: number; gid: number }, programs: string, parent: string): boolean {
  const above = nearestFolder(parent)
  const script = 'cd "$1" && test -x bin/postgres && test -r pg-symlinks.json && cd "$2"'
  const answer = spawnSync('sh', ['-c', script, 'sh', programs, above], { cwd: '/', uid, gid, stdio: 'ignore' })
  return answer.status === 0
}
