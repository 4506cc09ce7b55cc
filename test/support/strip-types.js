/** Jest's transform: takes the types out of a TypeScript file with Node's own stripper, as at run time. */
import { stripTypeScriptTypes } from 'node:module'

export default { process: (source) => ({ code: stripTypeScriptTypes(source) }) }
