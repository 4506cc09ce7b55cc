/** The thread that estimates guesses with zxcvbn. It holds the word lists and ends when idle. */
import { getPriority, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import * as common from '@zxcvbn-ts/language-common'
import * as english from '@zxcvbn-ts/language-en'

// Requests have priority. On Linux this call affects the thread, elsewhere the whole process.
if (process.platform === 'linux') setPriority(Math.min(19, getPriority() + 5))

const meter = new ZxcvbnFactory({
  dictionary: { ...common.dictionary, ...english.dictionary },
  graphs: common.adjacencyGraphs,
  // The default of 100 takes six times as long for hostile text, and refuses no more passwords.
  l33tMaxSubstitutions: 10,
})

parentPort?.on('message', (text: string) => parentPort?.postMessage(meter.check(text).guesses))
parentPort?.postMessage('ready')
