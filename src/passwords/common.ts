/** The passwords that everybody tries first (OWASP ASVS V6.2.4): a list that a package brings, as far as it matters here. */
import { createRequire } from 'node:module'
import { fold } from './context.ts'
import { isDatedWord } from './dated.ts'
import { spellingsOf } from './spellings.ts'

let known: ReadonlySet<string> | undefined

/** Whether it is on the list, in any spelling, or a word with its year. The list is read at the first question: most processes never ask. */
export function isCommonPassword(normalized: string): boolean {
  known ??= readList()
  const list = known
  return spellingsOf(normalized).some((spelling) => list.has(spelling) || isDatedWord(spelling))
}

/** No setting allows a shorter password, so that no shorter one of the list needs keeping: 308 of 49,233 are left. */
const shortest = 12

function readList(): ReadonlySet<string> {
  const load = createRequire(import.meta.url)
  const before = new Set(Object.keys(load.cache))
  const { dictionary } = load('@zxcvbn-ts/language-common') as typeof import('@zxcvbn-ts/language-common')
  // Copied out: a piece of the package's one long text would keep the whole of it.
  const text = Buffer.from(dictionary['passwords-common'].filter((one) => [...one].length >= shortest).join('\n'))
  // A module that stays loaded keeps every word of its lists for good; nobody else uses this one.
  for (const path of Object.keys(load.cache)) if (!before.has(path)) delete load.cache[path]
  return new Set(text.toString().split('\n').map(fold))
}
