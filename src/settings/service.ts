/**
 * The settings that an administrator changes at run time: stored in the database, cached and kept
 * up to date, audited.
 */
import type { Audit, Initiator } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { ChangeFeed } from '../database/change-feed.ts'
import type { Queryable, Transaction } from '../database/database.ts'
import type { Log } from '../log.ts'
import type { Problem } from '../problems.ts'
import { nearest } from '../problems.ts'
import type { RuntimeSettings, SettingKey } from './definitions.ts'
import { defaultSettings, defaultsIn, settingDefinitions, settingKeys } from './definitions.ts'
import { settingInvalid, settingUnknown } from './errors.ts'
import * as repository from './repository.ts'

type Deps = {
  db: Queryable
  transaction: Transaction
  changes: ChangeFeed
  audit: Audit
  clock: Clock
  log: Log
  /** Decides the defaults; `production` when absent. */
  environment?: Config['environment']
}

export type { RuntimeSettings } from './definitions.ts'
export type Settings = Awaited<ReturnType<typeof createSettings>>

/**
 * While the change feed is disconnected, cached settings older than this are read again.
 * Milliseconds.
 */
const staleAfterMs = 1000

/** Reads every setting once, then follows the changes of the database. */
export async function createSettings({ db, transaction, changes, audit, clock, log, environment }: Deps) {
  const defaults = defaultsIn(environment)
  const load = (from: Queryable) => loadOver(from, defaults)
  let current = await load(db)
  let loadedAt = clock.now()
  let reading: Promise<void> | undefined
  let isStale = false

  async function readUntilFresh(): Promise<void> {
    while (isStale) {
      isStale = false
      current = await load(db)
      loadedAt = clock.now()
    }
  }

  function refresh(): Promise<void> {
    isStale = true
    reading ??= readUntilFresh()
      .catch((error) => log.warn({ err: error }, 'settings not read'))
      .finally(() => {
        reading = undefined
      })
    return reading
  }

  const unsubscribe = changes.subscribe('setting', () => void refresh())
  const stopWatching = changes.onConnectionChange((isConnected) => {
    if (isConnected) void refresh()
  })
  // Reads again, because a change between the first read and the subscription was missed.
  await refresh()

  return {
    /** The current value of every setting, frozen. */
    get: (): RuntimeSettings => {
      if (!changes.isConnected() && clock.now() - loadedAt > staleAfterMs) void refresh()
      return current
    },

    /** Every setting with its value and default, read from the database. */
    list: async (): Promise<{ key: SettingKey; value: string | number; default: string | number }[]> => {
      const values = await load(db)
      return settingKeys.map((key) => ({ key, value: values[key], default: defaults[key] }))
    },

    /**
     * Changes one setting; text is read as the setting's type. `undefined` restores the default.
     * Throws `setting_unknown`, naming the nearest setting, and `setting_invalid`.
     */
    set: async (key: string, value: string | number | undefined, by: Initiator): Promise<RuntimeSettings> => {
      if (!isSettingKey(key)) throw settingUnknown({ params: { key, nearest: nearest(key, settingKeys) } })
      const read = value === undefined ? undefined : readValue(key, value)
      await transaction(async (tx) => {
        const before = await load(tx)
        const after = { ...before, [key]: read ?? defaults[key] }
        const problems = checkTogether(after)
        if (problems.length > 0) throw settingInvalid(problems)
        if (read === undefined) await repository.deleteSetting(tx, key)
        else await repository.putSetting(tx, key, read, clock.now())
        const details = { before: before[key], after: after[key] }
        const subject = { type: 'setting', id: key }
        await audit.record(tx, { action: 'setting.changed', by, subject, outcome: 'success', details })
      })
      await refresh()
      return current
    },

    close: async (): Promise<void> => {
      unsubscribe()
      stopWatching()
      await reading
    },
  }
}

/** Every setting, read once, for callers that need no updates. */
export const readSettings = (db: Queryable): Promise<RuntimeSettings> => loadOver(db, defaultSettings)

const isSettingKey = (key: string): key is SettingKey => settingKeys.some((known) => known === key)

async function loadOver(db: Queryable, defaults: RuntimeSettings): Promise<RuntimeSettings> {
  const values: Record<string, unknown> = { ...defaults }
  // Ignores rows of other versions that this version does not know.
  for (const { key, value } of await repository.listSettingRows(db)) {
    if (isSettingKey(key) && check(key, value).length === 0) values[key] = value
  }
  return Object.freeze(values) as RuntimeSettings
}

function readValue(key: SettingKey, value: string | number): string | number {
  const isNumber = 'min' in settingDefinitions[key]
  const isDigits = typeof value === 'string' && /^\d{1,10}$/.test(value.trim())
  const read = isNumber && isDigits ? Number(value) : typeof value === 'string' ? value.trim().normalize('NFC') : value
  const problems = check(key, read)
  if (problems.length > 0) throw settingInvalid(problems)
  return read
}

function check(key: SettingKey, value: unknown): Problem[] {
  const definition = settingDefinitions[key]
  if (definition.type === 'text') {
    const max = definition.maximumLength
    const isText = typeof value === 'string' && /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(value) && [...value].length <= max
    return isText ? [] : [{ path: key, code: 'not_text', params: { max } }]
  }
  if (definition.type === 'choice') {
    const isChoice = definition.choices.some((one) => one === value)
    return isChoice ? [] : [{ path: key, code: 'not_one_of', params: { allowed: definition.choices.join(', ') } }]
  }
  const { min, max } = definition
  const isWithin = Number.isInteger(value) && Number(value) >= min && Number(value) <= max
  return isWithin ? [] : [{ path: key, code: 'not_within', params: { min, max } }]
}

function checkTogether(settings: RuntimeSettings): Problem[] {
  const problems: Problem[] = []
  const pairs = [
    ['sessionIdleSeconds', 'sessionAbsoluteSeconds'],
    ['refreshIdleSeconds', 'refreshAbsoluteSeconds'],
  ] as const
  for (const [idle, absolute] of pairs) {
    if (settings[idle] > settings[absolute])
      problems.push({ path: idle, code: 'not_above', params: { other: absolute } })
  }
  return problems
}
