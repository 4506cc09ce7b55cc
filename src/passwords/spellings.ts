/** What a guesser tries for a password: the text without what adds nothing, and the text of the same keys on a Latin keyboard. */
import { fold } from './context.ts'

const blank = String.raw`[\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]`
const fillers = new RegExp(`^${blank}+|${blank}{2,}|${blank}+$`, 'gu')

const cyrillicKeys = 'йцукенгшщзхъфывапролджэячсмитьбюіїєґ'
const latinKeys = "qwertyuiop[]asdfghjkl;'zxcvbnm,.s]'\\"
const latinOf = new Map([...cyrillicKeys].map((key, index) => [key, [...latinKeys][index]]))

/**
 * Folded, without blanks around it and without several in a row. A text with Cyrillic letters also as a Latin keyboard would write it
 * (JCUKEN and QWERTY): a row of keys is one on both, and an English word is typed on either.
 */
export function spellingsOf(normalized: string): readonly string[] {
  const text = fold(normalized).replace(fillers, '')
  const latin = [...text].map((letter) => latinOf.get(letter) ?? letter).join('')
  return latin === text ? [text] : [text, latin]
}
