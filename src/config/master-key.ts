/** The master key: 32 bytes from MASTER_KEY or MASTER_KEY_FILE, or, outside production, from a file made once in the data folder. */
import { linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../random.ts'
import type { Source } from './source.ts'

/** What `.env.example` shows, so that production can refuse it. Decoded it says so itself. */
export const sampleMasterKey = 'ZXhhbXBsZS1tYXN0ZXIta2V5LWRvLW5vdC11c2UtaXQ'

/**
 * The key, or undefined: there is a problem, or (outside production) neither variable is set and development's own is to be
 * opened. A file that others may read is only warned about: secrets that containers mount often are.
 */
export function readMasterKey(source: Source): Buffer | undefined {
  const written = source.stated('MASTER_KEY')
  const file = source.stated('MASTER_KEY_FILE')
  if (written && file) return source.problem('MASTER_KEY', 'master_key_twice')
  if (written) return decode(source, 'MASTER_KEY', written, 'MASTER_KEY')
  if (file) return readMasterKeyFile(source, 'MASTER_KEY_FILE', file)
  if (source.environment === 'production') source.problem('MASTER_KEY', 'master_key_missing')
  return undefined
}

/** The key before the present one, while everything is sealed anew; undefined when there is none, or a problem. */
export function readPreviousMasterKey(source: Source): Buffer | undefined {
  const written = source.stated('MASTER_KEY_PREVIOUS')
  const file = source.stated('MASTER_KEY_PREVIOUS_FILE')
  if (written && file) return source.problem('MASTER_KEY_PREVIOUS', 'master_key_previous_twice')
  // Not judged: whatever it is, it sealed the database, and it is about to go.
  if (written) return decode(source, 'MASTER_KEY_PREVIOUS', written, 'MASTER_KEY_PREVIOUS', { isJudged: false })
  return file ? readMasterKeyFile(source, 'MASTER_KEY_PREVIOUS_FILE', file, { isJudged: false }) : undefined
}

/** Development's key in `dataFolder`, made when there is none; undefined when there is a problem. */
export function readDevelopmentMasterKey(source: Source, dataFolder: string, random: Random): Buffer | undefined {
  try {
    return readMasterKeyFile(source, 'DATA_FOLDER', openDevelopmentMasterKey(dataFolder, random))
  } catch (error) {
    return source.problem('DATA_FOLDER', 'data_folder_unwritable', { folder: dataFolder, reason: reasonOf(error) })
  }
}

/**
 * The path of `master.key` in `folder`; both are made when missing, the file readable by its owner only. Of several processes that
 * start at once one makes the key and all get that one. Throws the file system's error.
 */
function openDevelopmentMasterKey(folder: string, random: Random): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'master.key')
  if (statSync(file, { throwIfNoEntry: false })) return file
  const aside = `${file}.${random.token(64)}`
  writeFileSync(aside, `${random.bytes(32).toString('base64url')}\n`, { flag: 'wx', mode: 0o600, flush: true })
  try {
    // Not a rename: it would replace the key that another process has just made and is already using.
    linkSync(aside, file)
  } catch (error) {
    if (reasonOf(error) !== 'EEXIST') throw error
  } finally {
    unlinkSync(aside)
  }
  return file
}

function readMasterKeyFile(
  source: Source,
  variable: 'MASTER_KEY_FILE' | 'MASTER_KEY_PREVIOUS_FILE' | 'DATA_FOLDER',
  path: string,
  { isJudged } = { isJudged: true },
): Buffer | undefined {
  try {
    const mode = statSync(path).mode & 0o777
    if (process.platform !== 'win32' && mode & 0o077) {
      source.warning(variable, 'master_key_file_exposed', { path, mode: mode.toString(8) })
    }
    return decode(source, variable, readFileSync(path, 'utf8').trim(), `${path} (${variable})`, { isJudged })
  } catch (error) {
    return source.problem(variable, 'master_key_file_unreadable', { path, reason: reasonOf(error) })
  }
}

function decode(
  source: Source,
  variable: string,
  written: string,
  place: string,
  { isJudged } = { isJudged: true },
): Buffer | undefined {
  const isHex = /^[0-9a-f]{64}$/i.test(written)
  if (!isHex && !/^[\w+/-]{43}=?$/.test(written)) {
    return source.problem(variable, 'master_key_malformed', { place, length: written.length })
  }
  const key = Buffer.from(written, isHex ? 'hex' : 'base64url')
  if (isJudged && source.environment === 'production') {
    if (key.equals(Buffer.from(sampleMasterKey, 'base64url'))) return source.problem(variable, 'master_key_sample')
    if (isWeak(key)) return source.problem(variable, 'master_key_weak', { place })
  }
  return key
}

// 32 random bytes hold about 30 different values and are never all printable; a key typed by hand, repeated, counted up or made
// from a passphrase fails one of the two, or keeps one step between its bytes.
function isWeak(key: Buffer): boolean {
  const steps = new Set(key.subarray(1).map((byte, index) => byte - (key[index] ?? 0)))
  return new Set(key).size < 16 || steps.size < 8 || key.every((byte) => byte >= 0x20 && byte < 0x7f)
}

const reasonOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error)
