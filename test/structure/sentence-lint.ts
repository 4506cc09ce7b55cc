/** Finds sentences that tests contain as literals, and Playwright finders with a literal. */
import type { CallExpression, Node } from 'typescript/unstable/ast'
import * as is from 'typescript/unstable/ast/is'
import type { Project } from 'typescript/unstable/sync'
import { calleeName } from './fixed-text.ts'
import { ownFiles, placeOf, walk } from './typed-source.ts'

/** Playwright methods that find an element by visible text. */
const finders = /^getBy(Role|Label|Text|Title|Placeholder|AltText)$/
/** Options of these methods that contain such text. */
const finderOptions = /^(name|description|hasText|hasNotText)$/
/** Playwright selectors by visible text, and the methods that take a selector. */
const takesSelector = /^(locator|click|fill|check|waitForSelector|textContent|inputValue|getAttribute|isVisible|\$\$?)$/
const finderSelector = /(^|>>\s*)(text=|role=.*\[name)|:(has-text|text|text-is|text-matches)\(/
/** Methods that compare a text with their argument. */
const compares =
  /^(to(Be|Equal|StrictEqual|Contain|ContainEqual|Match|MatchObject|Throw|HaveProperty)|string(Containing|Matching)|includes|startsWith|endsWith|indexOf|match|matchAll|search|split|exec|replace|replaceAll)$/
const titled = /^(test|it|describe|describeWith|testWith)\b/

/** The words of a text, without tags and without punctuation around them. */
const wordsOf = (text: string): string[] =>
  text
    .replaceAll(/<[^>]*>/g, ' ')
    .split(/\s+/)
    .map((word) => word.replaceAll(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, ''))
    .filter((word) => word !== '')

const padded = (words: readonly string[]): string => ` ${words.join(' ')} `
/** Names, numbers and addresses are the same in every language. */
const isWord = (word: string): boolean => /^[\p{L}'’-]+$/u.test(word)

/** The literal parts of a regular expression. */
const piecesOfRegex = (source: string): string[] =>
  source.replaceAll(/\\([^\p{L}\p{N}])/gu, '$1').split(/\\.|\[[^\]]*\]|[*+|()^${}]|\.(?=[*+?]|\w)/u)

/**
 * Returns whether a text contains a sentence or a large part of one. A text in a comparison
 * (`isCompared`) is checked more strictly: a title or an input may repeat words by chance.
 */
function createSentenceSearch(sentences: readonly string[]): (text: string, isCompared: boolean) => boolean {
  const parts = sentences.map((one) => one.split(/\{\{[^}]*\}\}|\n/).map(wordsOf))
  // `|` separates the sentences, and `¦` marks a filled-in value.
  const everything = `|${parts.map((one) => one.map(padded).join('¦')).join('|')}|`
  return (text, isCompared) => {
    const words = wordsOf(text)
    const has = (from: number, count: number, before = '', after = '') => {
      const some = words.slice(from, from + count)
      return some.length === count && everything.includes(before + padded(some) + after)
    }
    const count = words.length
    const own = words.filter(isWord).length
    if (own >= 4 && has(0, count)) return true
    if (own >= 3 && has(0, count, '|')) return true
    if (isCompared && own === 3 && has(0, count)) return true
    if (isCompared && own === 2 && has(0, count, '|', '|')) return true
    const run = isCompared ? 4 : 6
    return words.some((_, from) => words.slice(from, from + run).every(isWord) && has(from, run))
  }
}

/** The pieces of text in a literal; undefined when the node is not one. */
function piecesOf(node: Node): string[] | undefined {
  if (is.isStringLiteral(node) || is.isNoSubstitutionTemplateLiteral(node)) return node.text.split('\n')
  if (is.isTemplateHead(node) || is.isTemplateMiddle(node) || is.isTemplateTail(node)) return node.text.split('\n')
  if (is.isRegularExpressionLiteral(node)) return piecesOfRegex(/^\/(.*)\/[a-z]*$/s.exec(node.text)?.[1] ?? '')
  return undefined
}

const isTitle = (node: Node): boolean => {
  const { parent } = node
  return (
    is.isCallExpression(parent) && parent.arguments.includes(node as never) && titled.test(parent.expression.getText())
  )
}

function isCompared(node: Node): boolean {
  for (let one = node; one.parent; one = one.parent) {
    const { parent } = one
    if (is.isBinaryExpression(parent)) {
      if (/^[!=]==?$/.test(parent.operatorToken.getText())) return true
    } else if (is.isCallExpression(parent)) {
      if (parent.expression !== one && compares.test(calleeName(parent))) return true
    } else if (is.isPropertyAccessExpression(parent)) {
      if (is.isRegularExpressionLiteral(one) && /^(test|exec)$/.test(parent.name.text)) return true
    } else if (hasStatements(parent)) return false
  }
  return false
}

const hasStatements = (node: Node): boolean => is.isBlock(node) || is.isSourceFile(node)

function isWorded(node: Node): boolean {
  const pieces = is.isTemplateExpression(node)
    ? [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]
    : piecesOf(node)
  return pieces?.some((piece) => /\p{L}{2}/u.test(piece)) ?? false
}

/** The text arguments of a Playwright finder: its first argument, or an option. */
function finderArguments(call: CallExpression): Node[] {
  const name = calleeName(call)
  const [first] = call.arguments
  const found: Node[] = []
  if (first && takesSelector.test(name) && piecesOf(first)?.some((piece) => finderSelector.test(piece)))
    found.push(first)
  if (finders.test(name) && name !== 'getByRole' && first) found.push(first)
  if (finders.test(name) || name === 'locator' || name === 'filter') {
    for (const argument of call.arguments) {
      if (!is.isObjectLiteralExpression(argument)) continue
      for (const property of argument.properties) {
        if (is.isPropertyAssignment(property) && finderOptions.test(property.name.getText()))
          found.push(property.initializer)
      }
    }
  }
  return found
}

/** Each violation as `<path>:<line>: <text>`. */
export function findLiteralSentences(
  project: Project,
  { sentences, isExempt }: { sentences: readonly string[]; isExempt: (path: string) => boolean },
): string[] {
  const holdsSentence = createSentenceSearch(sentences)
  const found: string[] = []
  const add = (node: Node) => found.push(`${placeOf(node)}: ${node.getText().slice(0, 80)}`)
  for (const file of ownFiles(project, ['test'])) {
    if (isExempt(placeOf(file).replace(/:\d+$/, ''))) continue
    walk(file, (node) => {
      if (is.isCallExpression(node)) finderArguments(node).filter(isWorded).forEach(add)
      const pieces = piecesOf(node)
      if (!pieces || isTitle(node)) return
      if (pieces.some((piece) => holdsSentence(piece, isCompared(node)))) add(node)
    })
  }
  return found
}
