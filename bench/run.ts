/** `npm run bench`: what is measured. Each mode reads the rest of the command line itself. */
const modes = new Map([
  ['--fire', './fire.ts'],
  ['--login-timing', './login-timing.ts'],
])

const chosen = process.argv.find((argument) => modes.has(argument))
if (chosen) process.argv.splice(process.argv.indexOf(chosen), 1)
await import((chosen && modes.get(chosen)) ?? './compare.ts')
