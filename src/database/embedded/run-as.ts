/**
 * The user that runs Postgres: Postgres refuses root, and its data folder must belong to its user.
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { embeddedOtherOwner } from './errors.ts'

type Owner = { uid: number; gid: number }

export type RunAs = {
  /** Numeric user and group that own Postgres' files; undefined on Windows, which has none. */
  owner: Owner | undefined
  /** Starts a program as that user, in a folder that every user may enter. */
  start: (program: string, args: readonly string[], options: SpawnOptions) => ChildProcess
  /** Creates a folder that only that user may read. */
  makeFolder: (folder: string) => void
  /** Changes the owner of a file, or of a folder with its content, to that user. */
  changeOwner: (target: string) => void
}

// The user `nobody` of Debian and most other systems.
const nobody: Owner = { uid: 65534, gid: 65534 }

export type Users = {
  /** Runs Postgres. */
  user: RunAs
  /**
   * Runs initdb, which, unlike Postgres, requires a user with a name. The owner of a folder mounted
   * into a container often has none.
   */
  maker: RunAs
}

/**
 * For the Postgres of `dataFolder`. As root: the owner of that folder or of its nearest existing
 * parent, or `nobody` when that is root.
 * Another user runs it as itself; `embedded_database_other_owner` is thrown when the folder is not
 * its own.
 * `programs`: the folder of Postgres' own files, which the user must be able to read.
 */
export function findUsers({ dataFolder, programs }: { dataFolder: string; programs: string }): Users {
  const uid = process.getuid?.()
  const gid = process.getgid?.()
  if (uid === undefined || gid === undefined) return asOurselves(undefined)
  const existing = nearestFolder(dataFolder)
  const owner = statSync(existing)
  if (uid !== 0) {
    if (existing === dataFolder && owner.uid !== uid)
      throw embeddedOtherOwner({ params: { folder: dataFolder, owner: owner.uid, user: uid } })
    return asOurselves({ uid, gid })
  }
  const folders = [programs, nearestFolder(path.dirname(dataFolder))] as const
  const maker = asUser(nobody, folders)
  return { maker, user: owner.uid === 0 ? maker : asUser({ uid: owner.uid, gid: owner.gid }, folders) }
}

/** `folder`, or its nearest parent that exists. */
function nearestFolder(folder: string): string {
  return statSync(folder, { throwIfNoEntry: false }) ? folder : nearestFolder(path.dirname(folder))
}

function asOurselves(owner: Owner | undefined): Users {
  const user: RunAs = {
    owner,
    start: (program, args, options) => spawn(program, args, { cwd: '/', ...options }),
    makeFolder: (folder) => void mkdirSync(folder, { recursive: true, mode: 0o700 }),
    changeOwner: () => {},
  }
  return { user, maker: user }
}

function asUser(owner: Owner, [programs, parent]: readonly [string, string]): RunAs {
  const { uid, gid } = owner
  const canReach = spawnSync('sh', ['-c', 'cd "$1" && test -x bin/postgres && cd "$2"', 'sh', programs, parent], {
    cwd: '/',
    uid,
    gid,
    stdio: 'ignore',
  })
  return {
    owner,
    start: canReach.status === 0 ? (...args) => startAs(owner, ...args) : (...args) => startWithReach(owner, ...args),
    makeFolder: (folder) => {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      chownSync(folder, uid, gid)
    },
    changeOwner: (target) => {
      chownSync(target, uid, gid)
      if (!statSync(target).isDirectory()) return
      for (const name of readdirSync(target, { recursive: true })) chownSync(path.join(target, String(name)), uid, gid)
    },
  }
}

type Start = (owner: Owner, ...args: Parameters<RunAs['start']>) => ChildProcess

const startAs: Start = ({ uid, gid }, program, args, options) =>
  spawn(program, args, { cwd: '/', ...options, uid, gid })

// In a checkout below a folder that only root may enter (/root), Postgres gets the one capability
// to enter it. `no_setuid_fixup` keeps the capability after the change of user.
const startWithReach: Start = ({ uid, gid }, program, args, options) => {
  const user = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--securebits=+no_setuid_fixup']
  const reach = ['--inh-caps=-all,+dac_override', '--ambient-caps=+dac_override', '--bounding-set=-all,+dac_override']
  return spawn('/usr/bin/setpriv', [...user, ...reach, program, ...args], { cwd: '/', ...options })
}
