/** The index of decisions matches their files, files are complete, and linked decisions exist. */
import { linkTargets, readProjectFiles } from './project-files.ts'
import type { SourceFile } from './source.ts'
import { listFiles } from './source.ts'

const folder = 'docs/decisions'
const sections = ['Status', 'Context', 'Decision', 'Consequences', 'Alternatives refused']

const pages = listFiles([folder], ['.md'])
const decisions = pages.filter(({ path }) => path !== `${folder}/README.md`)
const index = pages.find(({ path }) => path === `${folder}/README.md`)?.text ?? ''

const nameOf = (path: string): string => path.slice(folder.length + 1)
const numberOf = (path: string): string => nameOf(path).slice(0, 4)
const titleOf = ({ text }: SourceFile): string | undefined => /^# \d{4}\. (.+)\n/.exec(text)?.[1]
const dateOf = ({ text }: SourceFile): string | undefined => /^Date: (\d{4}-\d{2}-\d{2}) /m.exec(text)?.[1]

/** Number, date and title in each row of the index. */
const rowsOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| ['))
    .map((line) =>
      line
        .split(' | ')
        .slice(0, 3)
        .map((cell) => cell.replace(/^\| /, '').trim())
        .join(' | '),
    )
const rowFor = (file: SourceFile): string =>
  `[${numberOf(file.path)}](${nameOf(file.path)}) | ${dateOf(file)} | ${titleOf(file)}`

/**
 * Missing parts of a decision: a heading, a date, its number in the title, text below a heading.
 */
function findGaps({ path, text }: SourceFile): string[] {
  const parts = text.split(/^## /m).slice(1)
  const headings = parts.map((part) => part.slice(0, part.indexOf('\n')))
  const gaps = parts
    .filter((part) => part.slice(part.indexOf('\n')).trim() === '')
    .map((part) => `empty: ${part.trim()}`)
  if (headings.join() !== sections.join()) gaps.push(`headings: ${headings.join(', ')}`)
  if (!text.startsWith(`# ${numberOf(path)}. `)) gaps.push('title')
  if (dateOf({ path, text }) === undefined) gaps.push('date')
  return gaps.map((gap) => `${path} ${gap}`)
}

const known = new Set(decisions.map(({ path }) => numberOf(path)))
const findUnknownNumbers = ({ path, text }: SourceFile): string[] =>
  [...text.matchAll(/\bdecisions\/(\d{4})\b/g)]
    .map((match) => match[1] ?? '')
    .filter((number) => !known.has(number))
    .map((number) => `${path} ${number}`)

const planted = { path: `${folder}/9999-planted.md`, text: '# 9999. A title\n\n## Status\n\n## Decision\n\nNone.\n' }

test('a decision has a date, status, context, decision, consequences and alternatives', () => {
  expect(findGaps(planted)).toEqual([
    `${planted.path} empty: Status`,
    `${planted.path} headings: Status, Decision`,
    `${planted.path} date`,
  ])
  expect(decisions.length).toBeGreaterThan(150)
  expect(decisions.flatMap(findGaps)).toEqual([])
})

test('the decisions are numbered from 0001 without gaps or repetitions', () => {
  const expected = decisions.map((_, at) => String(at + 1).padStart(4, '0'))
  expect(decisions.map(({ path }) => numberOf(path))).toEqual(expected)
})

test('the index has one row for each file, with its date and title', () => {
  expect(rowsOf(index)).not.toContain(rowFor(planted))
  expect(rowsOf(index).sort()).toEqual(decisions.map(rowFor).sort())
})

test('every decision that code or a document links to exists', () => {
  expect(findUnknownNumbers({ path: 'src/planted.ts', text: `// docs/${'decisions'}/9999` })).toEqual([
    'src/planted.ts 9999',
  ])
  expect(readProjectFiles().flatMap(findUnknownNumbers)).toEqual([])
  const broken = decisions.flatMap(({ path, text }) =>
    linkTargets(text)
      .filter((target) => /^\d{4}-/.test(target) && !decisions.some((other) => nameOf(other.path) === target))
      .map((target) => `${path} ${target}`),
  )
  expect(broken).toEqual([])
})
