/**
 * Seeds: users, clients and APIs from a file, written in one transaction. A second run changes
 * nothing.
 */
import type { AccountWrites } from '../accounts/service.ts'
import type { Audit, Initiator } from '../audit/service.ts'
import type { Transaction } from '../database/database.ts'
import { AppError } from '../errors.ts'
import { seedInvalid } from './errors.ts'
import type { ClientStep, PlanDeps, ResourceServerStep, SeedPlan, UserStep } from './plan.ts'
import { planSeed } from './plan.ts'

const maxAttempts = 3

export type SeedEntry = {
  type: 'user' | 'client' | 'resource_server'
  id: string
  result: 'created' | 'changed' | 'unchanged'
  /** The fields that differed. */
  fields: string[]
  /** The secret that Latchkey created for a client without one: shown only once. */
  secret?: string
}

export type SeedReport = { entries: SeedEntry[] }

type Deps = PlanDeps & { transaction: Transaction; audit: Audit }

export function createSeed(deps: Deps) {
  const { transaction, audit, accounts, clients, resourceServers } = deps

  const write = (plan: SeedPlan, by: Initiator): Promise<SeedEntry[]> =>
    transaction(async (tx) => {
      const inTx = { accounts: accounts.within(tx), clients: clients.within(tx), servers: resourceServers.within(tx) }
      const entries: SeedEntry[] = []
      // Clients first: a resource server may name clients that it accepts.
      for (const step of plan.clients) {
        const make = step.before ? inTx.clients.replace : inTx.clients.add
        const { secret } = step.fields.length > 0 ? await make(step.input, by) : { secret: undefined }
        entries.push({ ...entryOf('client', step.input.clientId, step), ...(secret === undefined ? {} : { secret }) })
      }
      for (const step of plan.resourceServers) {
        if (step.fields.length > 0) await inTx.servers.put(step.input, by)
        entries.push(entryOf('resource_server', step.input.identifier, step))
      }
      for (const step of plan.users) {
        await writeUser(step, inTx.accounts, by)
        entries.push(entryOf('user', step.input.email.trim(), step))
      }
      const changed = entries.filter(({ result }) => result !== 'unchanged').length
      if (changed > 0) await audit.record(tx, { action: 'seed.applied', by, outcome: 'success', details: { changed } })
      return entries
    })

  return {
    /**
     * Changes the database to match the text, and reports every entry. `isOnlyMissing` changes no
     * existing entry, so that a start does not undo changes. Throws `seed_invalid` with every
     * problem and its line; then nothing is written.
     */
    apply: async (
      text: string,
      { by, isOnlyMissing = false }: { by: Initiator; isOnlyMissing?: boolean },
    ): Promise<SeedReport> => {
      // Loaded only for a seed: most servers start without one.
      const { readSeed } = await import('./document.ts')
      const { document, problems, withLines } = readSeed(text)
      const isUnreadable = problems.some(({ code }) => code === 'not_yaml' || code === 'seed_not_mapping')
      for (let attempt = 1; ; attempt += 1) {
        const plan = isUnreadable ? { problems: [] } : await planSeed(document, deps, isOnlyMissing)
        const all = [...problems, ...plan.problems]
        if (all.length > 0 || !('users' in plan)) throw seedInvalid(withLines(all))
        try {
          return { entries: await write(plan, by) }
        } catch (error) {
          // Another process has written the same entry after the plan, for example two first starts
          // at once: plan again.
          if (!(error instanceof AppError) || error.status !== 409 || attempt === maxAttempts) throw error
        }
      }
    },
  }
}

async function writeUser(step: UserStep, accounts: AccountWrites, by: Initiator) {
  const { input, before, password, isDisabled, fields } = step
  if (fields.length === 0) return
  const id = before?.id ?? (await accounts.create({ ...input, ...(password === undefined ? {} : { password }) }, by))
  if (before && fields.some((field) => field !== 'disabled')) await accounts.update(id, input, by)
  if (isDisabled === undefined || isDisabled === (before?.isDisabled ?? false)) return
  await (isDisabled ? accounts.disable(id, by) : accounts.enable(id, by))
}

const entryOf = (
  type: SeedEntry['type'],
  id: string,
  { before, fields }: UserStep | ClientStep | ResourceServerStep,
): SeedEntry => ({ type, id, fields, result: before ? (fields.length > 0 ? 'changed' : 'unchanged') : 'created' })
