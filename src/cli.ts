#!/usr/bin/env node
/** The command line's process: hands over the environment and the streams, and ends with the command's exit code. */
import { runCli } from './cli/run.ts'

const { argv, env, stdin, stdout, stderr } = process
process.exitCode = await runCli({ argv: argv.slice(2), env, io: { stdin, stdout, stderr } })
// Whatever a failed opening left behind must not keep the terminal waiting; output is flushed long before.
setTimeout(() => process.exit(), 3000).unref()
