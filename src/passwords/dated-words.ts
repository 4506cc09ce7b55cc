/** A season or a month with a year, which users often choose for a new password: "Summer2026!!". */
import { fold } from './context.ts'

const languages = ['en', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'pl', 'sv', 'da', 'nb', 'fi', 'cs', 'tr', 'ru', 'uk']

const seasons = `spring summer autumn fall winter frühling frühjahr sommer herbst printemps été automne hiver
  primavera verano otoño invierno estate autunno inverno verão outono lente voorjaar zomer herfst najaar
  wiosna lato jesień zima vår sommar höst vinter forår efterår весна лето осень зима літо осінь`

/** A password with more signs than these is stronger. */
const maxSigns = 4

let pattern: RegExp | undefined

/** `spelling` is folded. The password is only a word and its year, a day and a few signs. */
export function isDatedWord(spelling: string): boolean {
  pattern ??= patternOf([...seasons.split(/\s+/).map(plain), ...months()])
  const signs = plain(spelling).replace(/([^\p{L}\p{N}])\1+/gu, '$1')
  if (signs.replace(/[\p{L}\p{N}]/gu, '').length > maxSigns) return false
  return pattern.test(signs.replace(/[^\p{L}\p{N}]/gu, ''))
}

const plain = (text: string): string => fold(text).normalize('NFD').replace(/\p{M}/gu, '')

function months(): string[] {
  const moments = Array.from({ length: 12 }, (_, month) => Date.UTC(2026, month, 15))
  return languages.flatMap((language) =>
    (['long', 'short'] as const).flatMap((month) => {
      const format = new Intl.DateTimeFormat(language, { month, timeZone: 'UTC' })
      return moments.map((at) => plain(format.format(at)).replace(/\P{L}/gu, ''))
    }),
  )
}

/** Day, word, year; or year, word, day. */
function patternOf(words: readonly string[]): RegExp {
  const word = `(?:${[...new Set(words)].filter((one) => one !== '').join('|')})`
  const year = '(?:(?:19|20)[0-9]{2})?'
  return new RegExp(`^(?:[0-9]{0,2}${word}[0-9]{0,2}${year}|${year}[0-9]{0,2}${word}[0-9]{0,2})$`)
}
