/** Separates text that is written in the source from text built from data, by the types. */
import type { CallExpression, Node } from 'typescript/unstable/ast'
import * as is from 'typescript/unstable/ast/is'
import type { Project, Type } from 'typescript/unstable/sync'
import { SymbolFlags } from 'typescript/unstable/sync'
import type { FunctionNode } from './typed-source.ts'
import { hasBody, ownFiles, walk } from './typed-source.ts'

export const fixedTextFolders = ['src', 'adapters', 'keys', 'migrations']

/** Methods of strings and lists whose result contains only their receiver and arguments. */
const keepsFixed =
  /^(join|split|map|flatMap|flat|filter|entries|keys|values|trim|replace|replaceAll|slice|concat|sort|toSorted|repeat|at)$/

const keyOf = (node: Node): string => `${node.getSourceFile().fileName}:${node.pos}:${node.end}`

export const calleeName = ({ expression }: CallExpression): string => {
  if (is.isIdentifier(expression)) return expression.text
  return is.isPropertyAccessExpression(expression) ? expression.name.text : ''
}

/** The expressions that a function returns. */
function resultsOf(node: FunctionNode): Node[] {
  if (!node.body) return []
  if (!is.isBlock(node.body)) return [node.body]
  const results: Node[] = []
  const visit = (one: Node): void => {
    if (hasBody(one)) return
    if (is.isReturnStatement(one) && one.expression) results.push(one.expression)
    one.forEachChild(visit)
  }
  node.body.forEachChild(visit)
  return results
}

/**
 * Returns whether an expression is fixed: a literal, a number, or built only from fixed parts.
 * A parameter is fixed when every call passes a fixed text. A call is fixed when its function
 * returns fixed texts.
 */
export function createFixedTexts(project: Project): (node: Node) => boolean {
  const { checker } = project
  const known = new Map<string, boolean>()
  const callsByName = new Map<string, CallExpression[]>()
  const assigned: { name: string; value: Node }[] = []
  for (const file of ownFiles(project, fixedTextFolders)) {
    walk(file, (node) => {
      if (is.isCallExpression(node)) {
        const name = calleeName(node)
        callsByName.set(name, [...(callsByName.get(name) ?? []), node])
      }
      if (is.isBinaryExpression(node) && is.isIdentifier(node.left) && /^\+?=$/.test(node.operatorToken.getText())) {
        assigned.push({ name: node.left.text, value: node.right })
      }
    })
  }

  const isPlain = (type: Type): boolean =>
    type.isStringLiteralType() ||
    type.isNumberLiteralType() ||
    ['number', 'boolean', 'bigint', 'true', 'false', 'undefined'].includes(checker.typeToString(type))

  /** A number cannot contain SQL, and a union of literals is written in the source. */
  function hasPlainType(node: Node): boolean {
    const type = checker.getTypeAtLocation(node)
    if (!type) return false
    return (type.isUnionType() ? (type.getTypes() ?? []) : [type]).every(isPlain)
  }

  /** While it is being checked, a text counts as fixed, because a function may call itself. */
  function isFixed(node: Node): boolean {
    const key = keyOf(node)
    const before = known.get(key)
    if (before !== undefined) return before
    known.set(key, true)
    const result = look(node)
    known.set(key, result)
    return result
  }

  function look(node: Node): boolean {
    if (is.isStringLiteral(node) || is.isNoSubstitutionTemplateLiteral(node) || is.isNumericLiteral(node)) return true
    if (is.isTaggedTemplateExpression(node)) return node.tag.getText() === 'String.raw' && isFixed(node.template)
    if (is.isTemplateExpression(node)) return node.templateSpans.every(({ expression }) => isFixed(expression))
    if (is.isArrayLiteralExpression(node)) return node.elements.every(isFixed)
    if (is.isObjectLiteralExpression(node)) return node.properties.every(isFixed)
    if (is.isPropertyAssignment(node)) return isFixed(node.initializer)
    if (is.isSpreadElement(node) || is.isSpreadAssignment(node)) return isFixed(node.expression)
    if (is.isParenthesizedExpression(node) || is.isAsExpression(node)) return isFixed(node.expression)
    if (is.isNonNullExpression(node) || is.isSatisfiesExpression(node)) return isFixed(node.expression)
    if (is.isConditionalExpression(node)) return isFixed(node.whenTrue) && isFixed(node.whenFalse)
    if (hasBody(node)) return resultsOf(node).every(isFixed)
    if (hasPlainType(node)) return true
    if (is.isBinaryExpression(node)) return isFixed(node.left) && isFixed(node.right)
    if (is.isElementAccessExpression(node)) return isFixed(node.expression)
    if (is.isCallExpression(node)) return isFixedCall(node)
    if (is.isIdentifier(node) || is.isPropertyAccessExpression(node)) return isFixedName(node)
    return false
  }

  function isFixedCall(node: CallExpression): boolean {
    const { expression } = node
    const name = calleeName(node)
    if (is.isPropertyAccessExpression(expression)) {
      if (name === 'toString' && node.arguments[0]?.getText() === "'hex'") return true
      if (expression.expression.getText() === 'Object') return node.arguments.every(isFixed)
      if (keepsFixed.test(name) && isFixed(expression.expression)) return node.arguments.every(isFixed)
    }
    const declared = checker.getResolvedSignature(node)?.declaration?.resolve(project)
    return declared !== undefined && isOurs(declared) && hasBody(declared) && isFixed(declared)
  }

  const isOurs = (node: Node): boolean => !node.getSourceFile().fileName.includes('/node_modules/')

  function isFixedName(node: Node): boolean {
    const symbol = checker.getSymbolAtLocation(is.isPropertyAccessExpression(node) ? node.name : node)
    if (!symbol) return false
    const isImported = (symbol.flags & SymbolFlags.Alias) !== 0
    const declared = (isImported ? checker.getAliasedSymbol(symbol) : symbol).valueDeclaration?.resolve(project)
    return declared !== undefined && isOurs(declared) && isFixedDeclaration(declared)
  }

  function isFixedDeclaration(declared: Node): boolean {
    if (is.isPropertyAssignment(declared)) return isFixed(declared.initializer)
    if (is.isParameterDeclaration(declared)) return isFixedParameter(declared)
    if (is.isBindingElement(declared)) return isFixedBinding(declared)
    if (!is.isVariableDeclaration(declared)) return false
    const each = declared.parent.parent
    if (is.isForOfStatement(each)) return isFixed(each.expression)
    if (!declared.initializer || !isFixed(declared.initializer)) return false
    // A list may grow after its declaration, and a variable may be reassigned.
    const name = declared.name.getText()
    const isHere = (node: Node): boolean => node.getSourceFile() === declared.getSourceFile()
    const pushes = (callsByName.get('push') ?? []).filter(
      (call) => isHere(call) && call.expression.getText() === `${name}.push`,
    )
    return (
      pushes.every((call) => call.arguments.every(isFixed)) &&
      assigned.every((one) => one.name !== name || !isHere(one.value) || isFixed(one.value))
    )
  }

  /** A part of a list or an object that is fixed as a whole. */
  function isFixedBinding(declared: Node): boolean {
    let outer: Node = declared
    while (!is.isVariableDeclaration(outer) && !is.isParameterDeclaration(outer)) outer = outer.parent
    return isFixedDeclaration(outer)
  }

  /** Each call passes a fixed text. For a list method, the list must be fixed. */
  function isFixedParameter(parameter: Node): boolean {
    const owner = parameter.parent as FunctionNode
    const index = owner.parameters.findIndex((one) => keyOf(one) === keyOf(parameter))
    const { parent } = owner
    if (is.isCallExpression(parent)) {
      const { expression } = parent
      return (
        is.isPropertyAccessExpression(expression) &&
        keepsFixed.test(calleeName(parent)) &&
        isFixed(expression.expression)
      )
    }
    const name = (owner as { name?: Node }).name ?? (parent as { name?: Node }).name
    const calls = (callsByName.get(name?.getText() ?? '') ?? []).filter((call) => {
      const declared = checker.getResolvedSignature(call)?.declaration?.resolve(project)
      return declared !== undefined && keyOf(declared) === keyOf(owner)
    })
    const initializer = owner.parameters[index]?.initializer
    if (initializer && !isFixed(initializer)) return false
    return calls.length > 0 && calls.every((call) => !call.arguments[index] || isFixed(call.arguments[index]))
  }

  return isFixed
}
