/** Times in files: RFC 3339 with an offset, so that the machine's time zone does not matter. */

const form = /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/**
 * Milliseconds since the epoch; `leap` for a leap second, which they do not count (RFC 3339 §5.7);
 * undefined for everything else, including dates that do not exist.
 */
export function readTimestamp(text: unknown): number | 'leap' | undefined {
  const parts = typeof text === 'string' ? form.exec(text.toUpperCase()) : null
  if (!parts) return undefined
  const [written, year, month, day, , second] = parts
  // Date.parse accepts 30 February as a day in March.
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined
  return second === '60' ? 'leap' : Date.parse(written)
}
