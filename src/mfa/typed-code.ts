/** A one-time code as keyboards produce it: digits of any script, full width, with spaces and hyphens. */

/** ASCII digits and letters of what was typed; everything else stays, and makes it a wrong code. */
export const readCode = (typed: string): string =>
  // NFKC turns full-width and mathematical forms into plain ones.
  typed
    .normalize('NFKC')
    .replaceAll(/[\s\p{Pd}\p{Cf}\u2212]/gu, '')
    .replaceAll(/\p{Nd}/gu, asciiDigit)

/** Unicode §4.6: the digits of a script are ten code points in a row, from zero on. */
function asciiDigit(digit: string): string {
  const point = digit.codePointAt(0) ?? 0
  let first = point
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first -= 1
  return String((point - first) % 10)
}
