/** Temporary folders that are gone with the tests. */
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { watchFolder } from './watchdog.ts'

/** A new empty folder that everybody may enter, so that programs that refuse root can work below it. */
export function createTestFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-test-'))
  chmodSync(folder, 0o755)
  watchFolder(folder)
  return folder
}
