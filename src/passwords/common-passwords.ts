/** The most common passwords (OWASP ASVS V6.2.4), from a package's list. */
import { createRequire } from 'node:module'
import { fold } from './context.ts'
import { isDatedWord } from './dated-words.ts'
import { spellingsOf } from './spellings.ts'

let known: ReadonlySet<string> | undefined

/**
 * Whether any spelling is on the list, or is a word with a year. The list is loaded at the first
 * call, because most processes never need it.
 */
export function isCommonPassword(normalized: string): boolean {
  known ??= readList()
  const list = known
  return spellingsOf(normalized).some((spelling) => list.has(spelling) || isDatedWord(spelling))
}

/** No setting allows shorter passwords, so shorter entries are dropped: 308 of 49,233 remain. */
const shortest = 12

function readList(): ReadonlySet<string> {
  const load = createRequire(import.meta.url)
  const before = new Set(Object.keys(load.cache))
  const { dictionary } = load('@zxcvbn-ts/language-common') as typeof import('@zxcvbn-ts/language-common')
  // Copied, because a substring would keep the package's whole text in memory.
  const text = Buffer.from(dictionary['passwords-common'].filter((one) => [...one].length >= shortest).join('\n'))
  // Removed from the module cache to free the memory of the lists. No other module uses it.
  for (const path of Object.keys(load.cache)) if (!before.has(path)) delete load.cache[path]
  return new Set(text.toString().split('\n').map(fold))
}
