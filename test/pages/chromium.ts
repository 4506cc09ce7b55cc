/** Starts Chromium for a test: without messages, and without requests of its own. */
import type { Browser } from 'playwright-core'
import { chromium } from 'playwright-core'

const switches = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** `executablePath` comes from `test/support/programs.ts`; `more` are further switches. */
export const launchChromium = (executablePath: string, more: readonly string[] = []): Promise<Browser> =>
  chromium.launch({ executablePath, args: [...switches, ...more], headless: true })
