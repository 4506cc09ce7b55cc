#!/usr/bin/env node
/**
 * The process of the command line: passes the environment and the streams, and ends with the
 * command's exit code.
 */
import { runCli } from './cli/run.ts'

const { argv, env, stdin, stdout, stderr } = process
process.exitCode = await runCli({ argv: argv.slice(2), env, io: { stdin, stdout, stderr } })
// A failed command may leave connections open; the process must still end. The output is written
// long before.
setTimeout(() => process.exit(), 3000).unref()
