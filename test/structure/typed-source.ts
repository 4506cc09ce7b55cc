/** The source with compiler types, for rules that cannot be checked by names alone. */
import path from 'node:path'
import type { Node, ParameterDeclaration, SourceFile } from 'typescript/unstable/ast'
import * as is from 'typescript/unstable/ast/is'
import type { Project } from 'typescript/unstable/sync'
import { API } from 'typescript/unstable/sync'
import { root } from './source.ts'

/** Texts by path from the root of the project. Only the compiler sees them as files. */
export type Planted = Readonly<Record<string, string>>

const config = path.join(root, 'tsconfig.structure.json')

/**
 * Calls `work` with the program of the `folders` and the planted files. The compiler then stops.
 */
export function withTypes<T>(folders: readonly string[], planted: Planted, work: (project: Project) => T): T {
  const files = new Map(Object.entries(planted).map(([name, text]) => [path.join(root, name), text]))
  files.set(config, JSON.stringify({ extends: './tsconfig.json', include: folders, files: Object.keys(planted) }))
  const api = new API({
    cwd: root,
    fs: { readFile: (name) => files.get(name), fileExists: (name) => files.has(name) || undefined },
  })
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config)
    if (!project) throw new Error('the compiler does not open the project')
    return work(project)
  } finally {
    api.close()
  }
}

/** The project's own files in the program. */
export const ownFiles = ({ program }: Project, folders: readonly string[]): SourceFile[] =>
  program
    .getSourceFileNames()
    .filter((name) => folders.some((folder) => name.startsWith(path.join(root, folder, path.sep))))
    .map((name) => program.getSourceFile(name))
    .filter((file) => file !== undefined)

export type FunctionNode = Node & { parameters: readonly ParameterDeclaration[]; body?: Node; type?: Node }

export const hasBody = (node: Node): node is FunctionNode =>
  is.isFunctionLikeDeclaration(node) && (node as Partial<FunctionNode>).body !== undefined

/** `<path>:<line>`, from the root of the project. */
export function placeOf(node: Node): string {
  const file = node.getSourceFile()
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file))
  return `${path.relative(root, file.fileName).replaceAll(path.sep, '/')}:${line + 1}`
}

/** Every node below, parents before children. */
export function walk(node: Node, visit: (node: Node) => void): void {
  node.forEachChild((child) => {
    visit(child)
    walk(child, visit)
  })
}

/** Names, members and calls that are evaluated in `node`: no types, property names, parameters. */
export function expressionsIn(node: Node): Node[] {
  const found: Node[] = []
  const visit = (one: Node): void => {
    if (is.isTypeNode(one) || is.isParameterDeclaration(one)) return
    if (is.isPropertyAssignment(one) || is.isVariableDeclaration(one) || is.isBindingElement(one)) {
      if (one.initializer) visit(one.initializer)
      return
    }
    if (is.isIdentifier(one) || is.isCallExpression(one)) found.push(one)
    if (is.isPropertyAccessExpression(one)) {
      found.push(one)
      visit(one.expression)
    } else one.forEachChild(visit)
  }
  node.forEachChild(visit)
  return found
}

/** The names of all parameters of the function and of those within it. */
export function parameterNames(node: FunctionNode): Set<string> {
  const names = new Set<string>()
  const add = (name: Node): void => {
    if (is.isIdentifier(name)) names.add(name.text)
    else walk(name, (one) => is.isBindingElement(one) && one.name && add(one.name))
  }
  for (const { name } of node.parameters) add(name)
  walk(node, (one) => is.isParameterDeclaration(one) && add(one.name))
  return names
}

/** The leftmost part of `a.b(c).d`: `a`. */
export function rootOf(node: Node): Node {
  let left = node
  while (is.isPropertyAccessExpression(left) || is.isCallExpression(left)) left = left.expression
  return left
}

/** Functions that `factory` returns as the member `member` of its object. */
export function membersGiven(factory: FunctionNode, member: string): FunctionNode[] {
  const given: FunctionNode[] = []
  const byName = (name: string): void =>
    walk(factory, (one) => {
      if (is.isFunctionDeclaration(one) && one.name?.text === name && hasBody(one)) given.push(one)
    })
  walk(factory, (one) => {
    if (!is.isObjectLiteralExpression(one)) return
    for (const property of one.properties) {
      if (is.isSpreadAssignment(property) || property.name.getText() !== member) continue
      if (hasBody(property)) given.push(property)
      else if (is.isPropertyAssignment(property) && hasBody(property.initializer)) given.push(property.initializer)
      else if (is.isPropertyAssignment(property) && is.isIdentifier(property.initializer))
        byName(property.initializer.text)
      else if (is.isShorthandPropertyAssignment(property)) byName(member)
    }
  })
  return given
}
