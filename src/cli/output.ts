/** What the command line prints: tables, without characters that control the terminal. */
import Table from 'cli-table3'

const plain = { style: { head: [], border: [], compact: true } }

/** A table with a header. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const made = new Table({ ...plain, head: [...head] })
  made.push(...rows.map((row) => row.map(cell)))
  return made.toString()
}

/** One record, a line per property. Undefined properties are left out. */
export function record(properties: Readonly<Record<string, unknown>>): string {
  const made = new Table(plain)
  const set = Object.entries(properties).filter(([, value]) => value !== undefined)
  made.push(...set.map(([name, value]) => [name, cell(value)]))
  return made.toString()
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.map(cell).join('\n')
  if (typeof value === 'object') return printable(JSON.stringify(value))
  return printable(String(value))
}

/**
 * Shows control and format characters as escapes: a name must not move the cursor or reverse the
 * text direction.
 */
export const printable = (text: string): string =>
  text.replace(/[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
