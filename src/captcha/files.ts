/**
 * The widget's files, from its package. This build has separate style and worker files, as the CSP
 * requires. The UMD build includes styles in its script.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Keyed by the file name in the page. */
export function captchaFiles(): Readonly<Record<string, string>> {
  const folder = dirname(fileURLToPath(import.meta.resolve('altcha/altcha.css')))
  return {
    'altcha.css': join(folder, 'altcha.css'),
    'altcha.js': join(folder, 'altcha.min.js'),
    'altcha-worker.js': join(folder, '../workers/pbkdf2.js'),
  }
}
