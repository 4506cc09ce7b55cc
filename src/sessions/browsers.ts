/** Names a browser from its User-Agent, so that the user recognises it. */
import Bowser from 'bowser'

/** A field is undefined when the User-Agent does not show it. */
export type BrowserName = Readonly<{ browser?: string; system?: string }>

export function describeBrowser(userAgent: string): BrowserName {
  if (userAgent.trim() === '') return {}
  const { browser, os } = Bowser.parse(userAgent)
  return {
    ...(browser.name && { browser: browser.name }),
    ...(os.name && { system: os.name }),
  }
}
