/**
 * Forms of a password that an attacker tries: without fillers (invisible, repeated or outer
 * blanks), and on a Latin keyboard.
 */
import { fold } from './context.ts'

const blank = String.raw`[\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]`
const fillers = new RegExp(`^${blank}+|${blank}{2,}|${blank}+$`, 'gu')

const cyrillicKeys = 'йцукенгшщзхъфывапролджэячсмитьбюіїєґ'
const latinKeys = "qwertyuiop[]asdfghjkl;'zxcvbnm,.s]'\\"
const latinOf = new Map([...cyrillicKeys].map((key, index) => [key, [...latinKeys][index]]))

/**
 * Folded and without fillers. A text with Cyrillic letters also as the same keys on a Latin
 * keyboard (JCUKEN and QWERTY), because users type English words on both.
 */
export function spellingsOf(normalized: string): readonly string[] {
  const text = fold(normalized).replace(fillers, '')
  const latin = [...text].map((letter) => latinOf.get(letter) ?? letter).join('')
  return latin === text ? [text] : [text, latin]
}
