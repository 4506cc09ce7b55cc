/** `npm run bench`: selects the mode. Each mode reads the rest of the command line itself. */
const modes = new Map([
  ['--documents', () => import('./documents.ts')],
  ['--fire', () => import('./fire.ts')],
  ['--hostile-passwords', () => import('./hostile-passwords.ts')],
  ['--login-timing', () => import('./login-timing.ts')],
  ['--memory', () => import('./memory.ts')],
])

const chosen = process.argv.find((argument) => modes.has(argument))
if (chosen) process.argv.splice(process.argv.indexOf(chosen), 1)
const begin = chosen === undefined ? undefined : modes.get(chosen)
await (begin ?? (() => import('./compare.ts')))()
