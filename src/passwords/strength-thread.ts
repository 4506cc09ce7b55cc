/** The thread that counts guesses with zxcvbn. It holds the word lists, so it ends when it has been idle. */
import { getPriority, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import * as common from '@zxcvbn-ts/language-common'
import * as english from '@zxcvbn-ts/language-en'

// So that requests come first. On Linux this sets the thread; elsewhere it would set the whole process.
if (process.platform === 'linux') setPriority(Math.min(19, getPriority() + 5))

const meter = new ZxcvbnFactory({
  dictionary: { ...common.dictionary, ...english.dictionary },
  graphs: common.adjacencyGraphs,
  // The default of 100 takes six times as long for hostile text, and refuses nothing more.
  l33tMaxSubstitutions: 10,
})

parentPort?.on('message', (text: string) => parentPort?.postMessage(meter.check(text).guesses))
parentPort?.postMessage('ready')
