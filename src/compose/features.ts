/** What the features of one process contribute, in the order in which they were built. */
import type { Route } from '../http/route.ts'
import type { Duty } from '../jobs/duty.ts'
import type { Task } from '../jobs/queue.ts'

type Tasks = Readonly<Record<string, Task>>

export type Contribution = {
  routes?: readonly Route[]
  duties?: readonly Duty[]
  /** Jobs of the queue by their names. */
  tasks?: Tasks
  /** Jobs that wait for other servers. */
  outsideTasks?: Tasks
  close?: () => Promise<void> | void
}

export function createFeatureList() {
  const added: Contribution[] = []
  const merge = (tasks: readonly (Tasks | undefined)[]): Tasks => Object.assign({}, ...tasks)

  return {
    /** Returns the feature, so that one expression builds and adds it. */
    add: <Feature extends Contribution>(feature: Feature): Feature => {
      added.push(feature)
      return feature
    },
    routes: (): readonly Route[] => added.flatMap(({ routes = [] }) => routes),
    duties: (): readonly Duty[] => added.flatMap(({ duties = [] }) => duties),
    tasks: (): Tasks => merge(added.map(({ tasks }) => tasks)),
    outsideTasks: (): Tasks => merge(added.map(({ outsideTasks }) => outsideTasks)),
    /** Closes in the reverse order of building. */
    close: async (): Promise<void> => {
      for (const { close } of added.toReversed()) await close?.()
    },
  }
}
