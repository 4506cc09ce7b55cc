/** Finds uses of the pool inside transactions: a function with a `tx` must not reach the pool. */
import type { CallExpression, Node } from 'typescript/unstable/ast'
import * as is from 'typescript/unstable/ast/is'
import type { Project, Type } from 'typescript/unstable/sync'
import { SignatureKind } from 'typescript/unstable/sync'
import type { FunctionNode, Planted } from './typed-source.ts'
import {
  expressionsIn,
  hasBody,
  membersGiven,
  ownFiles,
  parameterNames,
  placeOf,
  rootOf,
  walk,
  withTypes,
} from './typed-source.ts'

/** Names of a `tx`, its type, and the functions that pass one to their callback. */
const mayBeTx = /\b(tx|inner)\b|transaction\b/i
const folders = ['src', 'adapters', 'keys']

type Kind = 'pool' | 'tx' | 'other'

const isInside = (node: Node, outer: Node): boolean =>
  node.getSourceFile() === outer.getSourceFile() && node.pos >= outer.pos && node.end <= outer.end

/** Each violation as `<path>:<line>: <why>`. */
export const findPoolUses = (planted: Planted = {}): string[] => withTypes(folders, planted, lint)

function lint(project: Project): string[] {
  const { checker } = project
  const kinds = new Map<number, Kind>()
  const uses = new Map<string, string[]>()
  const factories = new Map<string, FunctionNode[]>()

  /** A type that may be both, such as `Knex | Transaction`, counts as the pool. */
  function kindOf(type: Type | undefined): Kind {
    if (!type) return 'other'
    const known = kinds.get(type.id)
    if (known) return known
    const parts = type.isUnionType() ? (type.getTypes() ?? []).map(kindOf) : [kindOfSymbol(type)]
    const kind = (['pool', 'tx'] as const).find((one) => parts.includes(one)) ?? 'other'
    kinds.set(type.id, kind)
    return kind
  }

  function kindOfSymbol(type: Type): Kind {
    if (!type.isClassOrInterface() && !type.isTypeReference()) return 'other'
    const symbol = type.getSymbol()
    if (symbol?.name === 'Knex' || symbol?.name === 'Pool') return 'pool'
    return symbol?.name === 'Transaction' && symbol.getParent()?.name === 'Knex' ? 'tx' : 'other'
  }

  const kindsOf = (nodes: readonly Node[]): Kind[] => checker.getTypeAtLocation(nodes).map(kindOf)
  const isTx = (node: Node): boolean => kindOf(checker.getTypeAtLocation(node)) === 'tx'

  // Getting the type of every parameter takes seconds, so only parameters with such a name or
  // callee are checked.
  const isWork = ({ parent }: FunctionNode): boolean =>
    is.isCallExpression(parent) && mayBeTx.test(parent.expression.getText())

  function takesTx(node: FunctionNode): boolean {
    const asked = node.parameters.filter(
      ({ name, type, questionToken }) => !questionToken && (isWork(node) || mayBeTx.test((type ?? name).getText())),
    )
    return asked.length > 0 && kindsOf(asked.map(({ name }) => name)).includes('tx')
  }

  /** `transaction(() => …)`: the callback could take a `tx` and leaves it out. */
  function leavesOutTx(node: FunctionNode): boolean {
    if (node.parameters.length > 0 || !isWork(node) || !is.isArrowFunction(node)) return false
    const type = checker.getContextualType(node)
    const [signature] = type ? checker.getSignaturesOfType(type, SignatureKind.Call) : []
    const first = signature?.getParameters()[0]
    return first !== undefined && kindOf(checker.getTypeOfSymbol(first)) === 'tx'
  }

  /** Uses of the pool in a function and in the functions that it calls. */
  function usesIn(node: FunctionNode): string[] {
    const key = `${placeOf(node)} ${node.pos}`
    const known = uses.get(key)
    if (known) return known
    const found: string[] = []
    uses.set(key, found)
    const expressions = expressionsIn(node)
    const own = parameterNames(node)
    const isOwn = (one: Node): boolean => {
      const left = rootOf(one)
      return is.isIdentifier(left) && own.has(left.text)
    }
    const named = expressions.filter((one) => !is.isCallExpression(one) && !isOwn(one))
    for (const [index, kind] of kindsOf(named).entries()) {
      const one = named[index] as Node
      if (kind === 'pool') found.push(`${placeOf(one)}: ${one.getText()}`)
    }
    const calls = expressions.filter((one) => is.isCallExpression(one))
    // A query on a parameter is the caller's choice, and its types are large.
    const isQuery = (one: Node): boolean => isOwn(one) && kindOf(checker.getTypeAtLocation(rootOf(one))) !== 'other'
    for (const one of calls) {
      found.push(...one.arguments.flatMap((given) => usesOfFunction(given, node)))
      if (!isQuery(one)) found.push(...usesOfCall(one, node))
    }
    return found
  }

  function usesOfCall(call: CallExpression, within: FunctionNode): string[] {
    const declared = checker.getResolvedSignature(call)?.declaration?.resolve(project)
    if (!declared || declared.getSourceFile().fileName.includes('/node_modules/')) return []
    const callee = call.expression.getText()
    // The result of a factory is checked where it is called.
    if (/^create[A-Z]/.test(callee) || isMadeFromTx(call.expression)) return []
    if (isInside(declared, within)) return []
    const { parameters = [] } = declared as Partial<FunctionNode>
    const isSpread = call.arguments.some((one) => is.isSpreadElement(one))
    const left = isSpread ? [] : parameters.slice(call.arguments.length)
    if (kindsOf(left.map(({ name }) => name)).some((kind) => kind !== 'other'))
      return [`${placeOf(call)}: ${callee} is called without the tx`]
    if (hasBody(declared)) return takesTx(declared) ? [] : through(call, callee, [declared])
    if (takesWork(parameters)) return [`${placeOf(call)}: ${callee} opens another transaction`]
    if (memberOf(declared) === 'RowCache.get')
      return [`${placeOf(call)}: ${callee} asks a cache, which may ask the pool`]
    return through(call, callee, implementationsOf(declared))
  }

  /** `ids.map(find)`: a function that is passed by name counts as called. */
  function usesOfFunction(given: Node, within: FunctionNode): string[] {
    const declared = is.isIdentifier(given) && checker.getSymbolAtLocation(given)?.valueDeclaration?.resolve(project)
    const body = declared && is.isVariableDeclaration(declared) ? declared.initializer : declared
    if (!body || !hasBody(body) || takesTx(body) || isInside(body, within)) return []
    return through(given, given.getText(), [body])
  }

  const through = (call: Node, callee: string, functions: readonly FunctionNode[]): string[] => {
    const [first] = functions.flatMap(usesIn)
    return first === undefined ? [] : [`${placeOf(call)}: ${callee}, by ${first}`]
  }

  /** `accounts.within(tx).create(…)`, also through a variable: the call uses that transaction. */
  function isMadeFromTx(node: Node): boolean {
    if (is.isPropertyAccessExpression(node)) return isMadeFromTx(node.expression)
    if (is.isConditionalExpression(node)) return isMadeFromTx(node.whenTrue)
    if (is.isCallExpression(node) || is.isObjectLiteralExpression(node)) return expressionsIn(node).some(isTx)
    if (!is.isIdentifier(node)) return false
    const declared = checker.getSymbolAtLocation(node)?.valueDeclaration?.resolve(project)
    if (!declared) return false
    if (is.isParameterDeclaration(declared)) return /Writes\b/.test(declared.type?.getText() ?? '')
    return (
      is.isVariableDeclaration(declared) && declared.initializer !== undefined && isMadeFromTx(declared.initializer)
    )
  }

  /** A function that takes the callback of a transaction, of which only the type is known. */
  const takesWork = (parameters: FunctionNode['parameters']): boolean =>
    parameters.some(({ type }) => {
      const first = type && is.isFunctionTypeNode(type) ? type.parameters[0] : undefined
      return first !== undefined && isTx(first.name)
    })

  /** `X.member` for a member of `type X = { … }`, else undefined. */
  function memberOf(declared: Node): string | undefined {
    let member: Node = declared
    while (is.isFunctionTypeNode(member) || is.isParenthesizedTypeNode(member)) member = member.parent
    const alias = member.parent?.parent
    if (!is.isPropertySignatureDeclaration(member) || !alias || !is.isTypeAliasDeclaration(alias)) return undefined
    return `${alias.name.text}.${member.name.getText()}`
  }

  /** The implementations of that member, in functions that declare the type as their result. */
  function implementationsOf(declared: Node): FunctionNode[] {
    const [type = '', member = ''] = memberOf(declared)?.split('.') ?? []
    return (factories.get(type) ?? []).flatMap((one) => membersGiven(one, member))
  }

  const functions = ownFiles(project, folders).flatMap((file) => {
    const found: FunctionNode[] = []
    walk(file, (node) => hasBody(node) && found.push(node))
    return found
  })
  for (const one of functions) {
    const { type } = one
    if (!type || !is.isTypeReferenceNode(type)) continue
    const name = type.typeName.getText()
    factories.set(name, [...(factories.get(name) ?? []), one])
  }
  return [...new Set(functions.filter((one) => takesTx(one) || leavesOutTx(one)).flatMap(usesIn))]
}
