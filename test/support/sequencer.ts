/** Jest's `testSequencer`: the slowest files first, so that the workers end at the same time. */
import { statSync } from 'node:fs'
import path from 'node:path'
import { readDurations } from '../durations.ts'

type Test = { path: string }

const root = path.resolve(import.meta.dirname, '../..')
const durations = readDurations()
const secondsOf = ({ path: file }: Test): number => durations[path.relative(root, file)] ?? 0

export default class Sequencer {
  /** Files of unknown duration run last, large ones before small ones. */
  sort<T extends Test>(tests: readonly T[]): T[] {
    const sized = tests.map((test) => ({ test, seconds: secondsOf(test), bytes: statSync(test.path).size }))
    return sized.sort((one, other) => other.seconds - one.seconds || other.bytes - one.bytes).map(({ test }) => test)
  }

  shard<T extends Test>(tests: readonly T[], { shardIndex, shardCount }: { shardIndex: number; shardCount: number }) {
    return this.sort(tests).filter((_, index) => index % shardCount === shardIndex - 1)
  }

  allFailedTests(): never[] {
    return []
  }

  cacheResults(): void {}
}
