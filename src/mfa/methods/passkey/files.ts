/** The browser part of WebAuthn, from its package, for the script that uses it. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Keyed by the file name in the page. */
export function passkeyFiles(): Readonly<Record<string, string>> {
  const folder = dirname(fileURLToPath(import.meta.resolve('@simplewebauthn/browser')))
  return { 'webauthn.js': join(folder, '../dist/bundle/index.umd.min.js') }
}
