/**
 * The list of features: the parts of each one are collected where it is created, and closed in
 * reverse order.
 */
import { createFeatureList } from '../../src/compose/features.ts'
import { batchDuty } from '../../src/jobs/duty.ts'

const task = async () => {}
const duty = (name: string) => batchDuty(name, 60, async () => 0)

test('the duties and tasks of the features are collected in order', () => {
  const features = createFeatureList()
  const links = features.add({ links: 1, duties: [duty('one')], tasks: { first: task } })
  features.add({ duties: [duty('two')], tasks: { second: task }, outsideTasks: { third: task } })
  expect(links.links).toBe(1)
  expect(features.duties().map(({ name }) => name)).toEqual(['one', 'two'])
  expect(Object.keys(features.tasks())).toEqual(['first', 'second'])
  expect(Object.keys(features.outsideTasks())).toEqual(['third'])
  expect(features.routes()).toEqual([])
})

test('features are closed in reverse order', async () => {
  const features = createFeatureList()
  const closed: string[] = []
  features.add({ close: async () => void closed.push('redis') })
  features.add({ duties: [] })
  features.add({ close: () => void closed.push('engine') })
  await features.close()
  expect(closed).toEqual(['engine', 'redis'])
})
