/** The engine's adapters: each method works in the unit of work of its request. */
import type { Adapter } from 'oidc-provider'
import type { Collector } from './collect.ts'
import type { ModelName, Payload } from './model.ts'
import { modelNames } from './model.ts'
import type { Reader } from './read.ts'
import type { RequestUnits } from './request-units.ts'
import type { Unit } from './unit-of-work.ts'
import { revokeByGrantId } from './unit-of-work.ts'

type Deps = {
  units: Pick<RequestUnits, 'inUnit'>
  reader: Pick<Reader, 'find' | 'findByUid' | 'findByUserCode'>
  collector: Pick<Collector, 'consume' | 'destroy' | 'upsert'>
}

// The engine's clients are rows of another feature. The engine never reads one from this store.
const isModel = (name: string): name is ModelName => (modelNames as readonly string[]).includes(name)

export const createEngineAdapter =
  ({ units, reader, collector }: Deps) =>
  (name: string): Adapter => {
    const getModel = (): ModelName => {
      if (isModel(name)) return name
      throw new TypeError(`the artifact store has no model ${name}`)
    }
    const inModel = async <T>(work: (unit: Unit, model: ModelName) => Promise<T>): Promise<T> => {
      const model = getModel()
      return units.inUnit(model, (unit) => work(unit, model))
    }
    return {
      find: (id) => inModel((unit, model) => reader.find(unit, model, id)),
      findByUid: (uid) => inModel((unit) => reader.findByUid(unit, uid)),
      findByUserCode: (userCode) => inModel((unit) => reader.findByUserCode(unit, userCode)),
      upsert: (id, payload, expiresIn) =>
        inModel((unit, model) => collector.upsert(unit, model, id, payload as Payload, expiresIn)),
      consume: (id) => inModel((unit, model) => collector.consume(unit, model, id)),
      destroy: (id) => inModel(async (unit, model) => collector.destroy(unit, model, id)),
      revokeByGrantId: (grantId) => units.inUnit(undefined, async (unit) => revokeByGrantId(unit, grantId)),
    }
  }
