/**
 * The master key: 32 bytes from MASTER_KEY or MASTER_KEY_FILE. Outside production it may be a file
 * created once in the data folder.
 */
import { linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../random.ts'
import type { Source } from './source.ts'

/**
 * The sample of `.env.example`, which production refuses. Its decoded text says that it is a
 * sample.
 */
export const sampleMasterKey = 'ZXhhbXBsZS1tYXN0ZXIta2V5LWRvLW5vdC11c2UtaXQ'

/**
 * The key. Undefined after a problem, or outside production when neither variable is set: the
 * development key is opened then. A file that other users may read is only a warning: secrets
 * mounted into containers often are.
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

/**
 * The previous key, while all values are sealed again; undefined when there is none or after a
 * problem.
 */
export function readPreviousMasterKey(source: Source): Buffer | undefined {
  const written = source.stated('MASTER_KEY_PREVIOUS')
  const file = source.stated('MASTER_KEY_PREVIOUS_FILE')
  if (written && file) return source.problem('MASTER_KEY_PREVIOUS', 'master_key_previous_twice')
  // Its strength is not checked: it already sealed the database and is being replaced.
  if (written) return decode(source, 'MASTER_KEY_PREVIOUS', written, 'MASTER_KEY_PREVIOUS', { isJudged: false })
  return file ? readMasterKeyFile(source, 'MASTER_KEY_PREVIOUS_FILE', file, { isJudged: false }) : undefined
}

/** The development key in `dataFolder`, created when there is none; undefined after a problem. */
export function readDevelopmentMasterKey(source: Source, dataFolder: string, random: Random): Buffer | undefined {
  try {
    return readMasterKeyFile(source, 'DATA_FOLDER', openDevelopmentMasterKey(dataFolder, random))
  } catch (error) {
    return source.problem('DATA_FOLDER', 'data_folder_unwritable', { folder: dataFolder, reason: reasonOf(error) })
  }
}

/**
 * The path of `master.key` in `folder`. Both are created when missing; only the file's owner may
 * read it. When several processes start at once, one creates the key and all use it. Throws the
 * file system's error.
 */
function openDevelopmentMasterKey(folder: string, random: Random): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'master.key')
  if (statSync(file, { throwIfNoEntry: false })) return file
  const aside = `${file}.${random.token(64)}`
  writeFileSync(aside, `${random.bytes(32).toString('base64url')}\n`, { flag: 'wx', mode: 0o600, flush: true })
  try {
    // Not a rename, which would replace a key that another process has just created.
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

// 32 random bytes have about 30 distinct values and are never all printable. A key that was typed,
// repeated, counted or made from a passphrase fails a check.
function isWeak(key: Buffer): boolean {
  const steps = new Set(key.subarray(1).map((byte, index) => byte - (key[index] ?? 0)))
  return new Set(key).size < 16 || steps.size < 8 || key.every((byte) => byte >= 0x20 && byte < 0x7f)
}

const reasonOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error)
