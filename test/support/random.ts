/** The system's randomness, with a record of the numbers that were drawn. */
import type { Random } from '../../src/random.ts'
import { systemRandom } from '../../src/random.ts'

export function createRecordedRandom(): { random: Random; drawn: readonly number[] } {
  const drawn: number[] = []
  const integer = (least: number, most: number) => {
    const number = systemRandom.integer(least, most)
    drawn.push(number)
    return number
  }
  return { random: { ...systemRandom, integer }, drawn }
}
