/** A one-time code as typed: digits of any script, full width, with spaces and hyphens. */

/** Returns ASCII digits and letters. Other characters stay and make the code wrong. */
export const readCode = (typed: string): string =>
  // NFKC maps full-width and mathematical forms to plain ones.
  typed
    .normalize('NFKC')
    .replaceAll(/[\s\p{Pd}\p{Cf}\u2212]/gu, '')
    .replaceAll(/\p{Nd}/gu, asciiDigit)

/** Unicode §4.6: the digits of a script are ten consecutive code points, starting with zero. */
function asciiDigit(digit: string): string {
  const point = digit.codePointAt(0) ?? 0
  let first = point
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first -= 1
  return String((point - first) % 10)
}
