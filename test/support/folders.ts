/** Temporary folders that are removed after the tests. */
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { watchFolder } from './watchdog.ts'

/** A new empty folder with access for every user, because some programs refuse to run as root. */
export function createTestFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-test-'))
  chmodSync(folder, 0o755)
  watchFolder(folder)
  return folder
}
