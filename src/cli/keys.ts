/** `latchkey keys`: the keys that sign tokens, and the master key that seals them. */
import { setTimeout as delay } from 'node:timers/promises'
import { algorithms } from '../../keys/algorithms.ts'
import { leaseMs } from '../../keys/key-ring.ts'
import { countProcessesWithoutKey } from '../../keys/presence.ts'
import { reseal } from '../../keys/reseal.ts'
import type { KeyChange } from '../../keys/rotation.ts'
import type { KeyLife, KeyTimes } from '../../keys/states.ts'
import { nextStep } from '../../keys/states.ts'
import type { Parts } from '../compose/parts.ts'
import { masterKeyUnknownToServers } from '../signing-keys/errors.ts'
import type { Call, CliCommand, Outcome } from './command.ts'
import { exitCodes } from './command.ts'
import { confirm, isInteractive } from './input.ts'
import { table } from './output.ts'
import { sealedLocations } from './sealed-locations.ts'

const kidArgument = { syntax: '<kid>', text: 'cli.keys.kid' }

const isoTime = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString())

function keyDocument({ kid, algorithm, ...life }: KeyLife & { kid: string; algorithm: string }, times: KeyTimes) {
  const { state, atMs } = nextStep(life, times)
  return {
    kid,
    algorithm,
    state: life.state,
    created_at: isoTime(life.createdAt),
    announced_at: isoTime(life.announcedAt),
    activated_at: isoTime(life.activatedAt),
    retired_at: isoTime(life.retiredAt),
    next_state: state,
    next_at: isoTime(atMs),
  }
}

/** The present ring, after `changes`. */
async function shown({ signingKeys, config }: Parts, { t }: Call, changes?: readonly KeyChange[]): Promise<Outcome> {
  const keys = (await signingKeys.list()).map((key) => keyDocument(key, config.signingKeys.times))
  const head = ['kid', 'algorithm', 'state', 'next', 'nextAt'].map((name) => t(`cli.keys.columns.${name}`))
  const rows = keys.map((key) => [key.kid, key.algorithm, key.state, key.next_state, key.next_at])
  const done = (changes ?? []).map(({ kid, algorithm, to }) => t(`cli.keys.changed.${to}`, { kid, algorithm }))
  const lines = changes?.length === 0 ? [t('cli.unchanged')] : done
  return { data: { ...(changes && { changes }), keys }, text: [...lines, table(head, rows)].join('\n') }
}

const list: CliCommand = {
  name: 'keys list',
  about: 'cli.keys.list.about',
  examples: ['latchkey keys list', 'latchkey keys list --json'],
  run: async (call) => shown(await call.openParts(), call),
}

const rotate: CliCommand = {
  name: 'keys rotate',
  about: 'cli.keys.rotate.about',
  options: [
    { flags: '--algorithm <alg>', text: 'cli.keys.algorithm', isRepeated: true, choices: algorithms },
    { flags: '--now', text: 'cli.keys.now' },
  ],
  examples: ['latchkey keys rotate', 'latchkey keys rotate --algorithm ES256 --now'],
  run: async (call) => {
    const { options, by } = call
    const parts = await call.openParts()
    const wanted = options.algorithm as string[] | undefined
    const changes = await parts.signingKeys.rotate({ ...(wanted && { wanted }), isNow: options.now === true }, by)
    return shown(parts, call, changes)
  },
}

const retire: CliCommand = {
  name: 'keys retire',
  about: 'cli.keys.retire.about',
  arguments: [kidArgument],
  examples: ['latchkey keys retire 5Nf1Zc8wXlJrmGqZb6GyZNh5oZr3f2Q0q4J0m3s0k7c'],
  run: async (call) => {
    const parts = await call.openParts()
    return shown(parts, call, await parts.signingKeys.retire(call.args[0] ?? '', call.by))
  },
}

const revoke: CliCommand = {
  name: 'keys revoke',
  about: 'cli.keys.revoke.about',
  arguments: [kidArgument],
  options: [{ flags: '--yes', text: 'cli.yes' }],
  examples: ['latchkey keys revoke 5Nf1Zc8wXlJrmGqZb6GyZNh5oZr3f2Q0q4J0m3s0k7c --yes'],
  run: async (call) => {
    const [kid = ''] = call.args
    const parts = await call.openParts()
    const isSure =
      call.options.yes === true ||
      !isInteractive(call.io) ||
      (await confirm(call, call.t('cli.keys.confirmRevocation', { kid })))
    return shown(parts, call, isSure ? await parts.signingKeys.revoke(kid, call.by) : [])
  },
}

const resealAll: CliCommand = {
  name: 'keys reseal',
  about: 'cli.keys.reseal.about',
  examples: ['latchkey keys reseal', 'latchkey keys reseal --json'],
  run: async ({ openParts, by, options, io, t }) => {
    const { config, database, sealer, audit } = await openParts()
    const { knex, transaction } = database
    const unaware = await countProcessesWithoutKey(knex, config.masterKey)
    if (unaware > 0) throw masterKeyUnknownToServers({ params: { count: unaware } })
    // The message tells the user that the command waits; a program does not need it.
    if (options.json !== true) io.stderr.write(`${t('cli.keys.reseal.waiting', { seconds: leaseMs / 1000 })}\n`)
    const record = (action: 'master_key.reseal_began' | 'master_key.resealed', details = {}) =>
      transaction((tx) => audit.record(tx, { action, by, outcome: 'success', details }))
    await record('master_key.reseal_began')
    const waitForServers = () => delay(leaseMs).then(() => undefined)
    const { resealed, unopened } = await reseal({ knex, sealer, locations: sealedLocations, waitForServers })
    await record('master_key.resealed', { ...resealed, unopened: unopened.length })
    const head = [t('cli.keys.reseal.place'), t('cli.keys.reseal.count')]
    const lines = unopened.map((location) => t('cli.keys.reseal.unopened', { place: location }))
    const verdict = unopened.length === 0 ? [t('cli.keys.reseal.done')] : lines
    return {
      data: { resealed, unopened },
      text: [table(head, Object.entries(resealed)), ...verdict].join('\n'),
      exitCode: unopened.length === 0 ? exitCodes.ok : exitCodes.refused,
    }
  },
}

export const keyCommands: readonly CliCommand[] = [list, rotate, retire, revoke, resealAll]
