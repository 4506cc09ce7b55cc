/** The widget's own files, from its package: the build whose styles and worker are files of their own, as the CSP wants them; the UMD one of it brings styles along. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** By the name under which a page asks for them. */
export function captchaFiles(): Readonly<Record<string, string>> {
  const folder = dirname(fileURLToPath(import.meta.resolve('altcha/altcha.css')))
  return {
    'altcha.css': join(folder, 'altcha.css'),
    'altcha.js': join(folder, 'altcha.min.js'),
    'altcha-worker.js': join(folder, '../workers/pbkdf2.js'),
  }
}
