/** The browser's half of WebAuthn, from its package, for the script of ours that uses it. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** By the name under which a page asks for them. */
export function passkeyFiles(): Readonly<Record<string, string>> {
  const folder = dirname(fileURLToPath(import.meta.resolve('@simplewebauthn/browser')))
  return { 'webauthn.js': join(folder, '../dist/bundle/index.umd.min.js') }
}
