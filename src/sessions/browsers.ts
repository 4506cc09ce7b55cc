/** A browser in words that its owner recognises, from what it says of itself. */
import Bowser from 'bowser'

/** Undefined where it says nothing that is known. */
export type BrowserName = Readonly<{ browser?: string; system?: string }>

export function describeBrowser(userAgent: string): BrowserName {
  if (userAgent.trim() === '') return {}
  const { browser, os } = Bowser.parse(userAgent)
  return {
    ...(browser.name && { browser: browser.name }),
    ...(os.name && { system: os.name }),
  }
}
