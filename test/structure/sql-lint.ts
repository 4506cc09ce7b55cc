/** Finds SQL that is built from data. Literals, numbers and fixed texts are allowed. */
import type { Node } from 'typescript/unstable/ast'
import * as is from 'typescript/unstable/ast/is'
import type { Project } from 'typescript/unstable/sync'
import { calleeName, createFixedTexts, fixedTextFolders } from './fixed-text.ts'
import { ownFiles, placeOf, walk } from './typed-source.ts'

/** Methods whose first argument is SQL. */
const takesSql = /^(raw|query|(where|orWhere|having|orHaving|orderBy|groupBy|join|from|on)Raw)$/

const propertyNamed = (node: Node, name: string): Node | undefined =>
  is.isObjectLiteralExpression(node)
    ? node.properties.find((one) => is.isPropertyAssignment(one) && one.name.getText() === name)
    : undefined

/** Each violation as `<path>:<line>: <text>`. */
export function findBuiltSql(project: Project): string[] {
  const { checker } = project
  const isFixed = createFixedTexts(project)
  const statements: Node[] = []
  for (const file of ownFiles(project, fixedTextFolders)) {
    const isAdapter = file.fileName.includes('/adapters/')
    walk(file, (node) => {
      if (is.isCallExpression(node)) {
        const [sql] = node.arguments
        const isMethod = is.isPropertyAccessExpression(node.expression)
        if (sql && isMethod && takesSql.test(calleeName(node))) statements.push(propertyNamed(sql, 'text') ?? sql)
      }
      // A named statement of the adapters: `{ name, text }`.
      const text = isAdapter && propertyNamed(node, 'name') && propertyNamed(node, 'text')
      if (text) statements.push(text)
    })
  }
  // An object is a named statement or the result of another `raw` call; its text is checked where
  // it is made.
  const isText = (node: Node): boolean =>
    is.isPropertyAssignment(node) || checker.getTypeAtLocation(node)?.isObjectType() !== true
  return statements
    .filter((node) => isText(node) && !isFixed(node))
    .map((node) => `${placeOf(node)}: ${node.getText().slice(0, 80).replaceAll(/\s+/g, ' ')}`)
}

/** Every regular expression, literal or built from data, with its place. */
export function listRegexes(project: Project): { place: string; source: string; flags: string; isFixed: boolean }[] {
  const isFixed = createFixedTexts(project)
  const found: { place: string; source: string; flags: string; isFixed: boolean }[] = []
  for (const file of ownFiles(project, fixedTextFolders)) {
    walk(file, (node) => {
      if (is.isRegularExpressionLiteral(node)) {
        const [, source = '', flags = ''] = /^\/(.*)\/([a-z]*)$/s.exec(node.text) ?? []
        found.push({ place: placeOf(node), source, flags, isFixed: true })
      }
      const isMade = (is.isNewExpression(node) || is.isCallExpression(node)) && node.expression.getText() === 'RegExp'
      if (isMade)
        found.push({ place: placeOf(node), source: '', flags: '', isFixed: node.arguments?.every(isFixed) ?? true })
    })
  }
  return found
}
