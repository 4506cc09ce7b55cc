/** Reads `src/compose`: finds names used before their declaration, and code with a condition. */
import type { Node } from 'typescript/unstable/ast'
import { SyntaxKind } from 'typescript/unstable/ast'
import * as is from 'typescript/unstable/ast/is'
import type { Project } from 'typescript/unstable/sync'
import type { Planted } from './typed-source.ts'
import { hasBody, ownFiles, parameterNames, placeOf, walk, withTypes } from './typed-source.ts'

const folders = ['src/compose']

export type ComposeFindings = Readonly<{ early: readonly string[]; decisions: readonly string[] }>

/**
 * `early`: uses before the declaration, as `<path>:<line>: <name>`. `decisions`: conditions, as
 * `<path>:<line>`.
 */
export const readCompose = (planted: Planted = {}): ComposeFindings =>
  withTypes(folders, planted, (project) => ({
    early: findEarlyUses(project),
    decisions: filesOf(project).flatMap(findDecisions),
  }))

const filesOf = (project: Project) => ownFiles(project, folders)

type Declared = { name: string; start: number; scope: Node }

/** Names of the variables in the file, each with the node in which it can be used. */
function listDeclared(file: Node): Declared[] {
  const found: Declared[] = []
  const add = (name: Node, scope: Node): void => {
    if (is.isIdentifier(name)) found.push({ name: name.text, start: name.pos, scope })
    else walk(name, (one) => is.isBindingElement(one) && one.name && add(one.name, scope))
  }
  walk(file, (node) => {
    if (!is.isVariableDeclaration(node)) return
    let scope = node.parent
    while (!is.isBlock(scope) && !is.isSourceFile(scope)) scope = scope.parent
    add(node.name, scope)
  })
  return found
}

/** Whether the identifier is used as a value. Property names and declared names are not uses. */
function isUse(node: Node): boolean {
  const { parent } = node
  if (is.isPropertyAccessExpression(parent)) return parent.name !== node
  if (is.isPropertyAssignment(parent)) return parent.name !== node
  if (is.isBindingElement(parent)) return parent.initializer === node
  if (is.isVariableDeclaration(parent)) return parent.name !== node
  return !is.isParameterDeclaration(parent)
}

/** Whether a function between the identifier and `scope` has a parameter of that name. */
function isParameter(node: Node, name: string, scope: Node): boolean {
  for (let outer = node.parent; outer !== scope && !is.isSourceFile(outer); outer = outer.parent) {
    if (hasBody(outer) && parameterNames(outer).has(name)) return true
  }
  return false
}

const isInside = (node: Node, outer: Node): boolean => node.pos >= outer.pos && node.end <= outer.end

function findEarlyUses(project: Project): string[] {
  return filesOf(project).flatMap((file) => {
    const declared = listDeclared(file)
    const found: string[] = []
    const visit = (node: Node): void => {
      if (is.isTypeNode(node)) return
      if (is.isIdentifier(node) && isUse(node)) {
        const own = declared.filter(({ name, scope }) => name === node.text && isInside(node, scope))
        const isEarly = own.length > 0 && own.every(({ start }) => start > node.pos)
        if (isEarly && !isParameter(node, node.text, own[0]!.scope)) found.push(`${placeOf(node)}: ${node.text}`)
      }
      node.forEachChild(visit)
    }
    visit(file)
    return found
  })
}

const deciding: readonly SyntaxKind[] = [
  SyntaxKind.EqualsEqualsEqualsToken,
  SyntaxKind.ExclamationEqualsEqualsToken,
  SyntaxKind.LessThanToken,
  SyntaxKind.LessThanEqualsToken,
  SyntaxKind.GreaterThanToken,
  SyntaxKind.GreaterThanEqualsToken,
  SyntaxKind.AmpersandAmpersandToken,
  SyntaxKind.BarBarToken,
  SyntaxKind.QuestionQuestionToken,
]

function findDecisions(file: Node): string[] {
  const found: string[] = []
  walk(file, (node) => {
    const isOperator = is.isBinaryExpression(node) && deciding.includes(node.operatorToken.kind)
    const isNot = is.isPrefixUnaryExpression(node) && node.operator === SyntaxKind.ExclamationToken
    const isBranch = is.isIfStatement(node) || is.isConditionalExpression(node) || is.isSwitchStatement(node)
    if (isOperator || isNot || isBranch) found.push(placeOf(node))
  })
  return found
}
