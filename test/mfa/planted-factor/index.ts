/** A factor for tests only: a word that the user chooses. Its structure is that of a real one. */
import { join } from 'node:path'
import type { Knex } from 'knex'
import { z } from 'zod'
import { factorInvalid } from '../../../src/mfa/errors.ts'
import type { FactorDeps, FactorPart } from '../../../src/mfa/method.ts'
import { defineFactor } from '../../../src/mfa/method.ts'
import { factorList } from '../../../src/mfa/methods/index.ts'

const folder = import.meta.dirname
const word = z.string().max(50)

const plantedFactor = defineFactor({
  id: 'word',
  level: 'multi_factor',
  isEnoughAlone: false,
  amr: ['kba'],
  isCounted: true,
  isSubstitute: false,
  answer: { word },
  enrolment: { paths: { signIn: 'enrol-word', account: 'word' }, fields: { word }, hasPage: true },
  seals: [{ table: 'word', key: 'account_id', column: 'sealed_word' }],
  views: { prove: join(folder, 'prove.ejs'), own: join(folder, 'own.ejs'), enrol: join(folder, 'enrol.ejs') },
  scripts: [],
  create: createWords,
})

/** The line in the list. */
export const plantFactor = () => Reflect.apply(Array.prototype.push, factorList, [plantedFactor])

/** The planted migration. */
export const plantTable = (knex: Knex) =>
  knex.raw(`
    CREATE TABLE word (
      account_id uuid PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
      sealed_word bytea NOT NULL,
      created_at bigint NOT NULL
    );
    CREATE TRIGGER word_history AFTER INSERT ON word FOR EACH ROW EXECUTE FUNCTION latchkey_note_factor('word');
    ALTER TABLE factor_failure DROP CONSTRAINT factor_failure_method_check;
    ALTER TABLE factor_history DROP CONSTRAINT factor_history_method_check;
  `)

/** The planted sentences. */
export const plantedSentences: Readonly<Record<string, string>> = {
  'emails.method.word': 'A secret word',
  'emails.factor.word': 'secret word',
  'pages.factor.off.word': 'Your word is off.',
  'pages.factorReset.factor.word': 'Secret word',
  'pages.own.factors.off.heading.word': 'Your word is off',
  'pages.own.factor.title.word': 'Choose a word',
  'pages.own.factor.heading.word': 'Choose a word',
  'pages.own.factor.lead.word': 'A word that only you know.',
}

function createWords({ db, sealer, clock }: FactorDeps) {
  const find = (accountId: string, within = db) =>
    within('word').where({ account_id: accountId }).first('sealed_word', 'created_at')

  return {
    listAddedAt: async (accountId, within = db) => {
      const row = await find(accountId, within)
      return row ? [Number(row.created_at)] : []
    },
    check: async (tx, { accountId }, { word: given = '' }) => {
      const row = await find(accountId, tx)
      return row !== undefined && sealer.open(row.sealed_word, `word:${accountId}`).toString() === given
    },
    describeOwn: async ({ id }) => ({ isSet: (await find(id)) !== undefined }),
    offer: async () => ({}),
    confirm: async (accountId, _binding, { word: chosen = '' }) => {
      if (chosen.length < 4) throw factorInvalid([{ path: 'word', code: 'code_wrong' }])
      const sealed = sealer.seal(Buffer.from(chosen), `word:${accountId}`)
      return async (tx) => {
        await tx('word').insert({ account_id: accountId, sealed_word: sealed, created_at: clock.now() })
      }
    },
    removeAll: async (tx, accountId) => {
      await tx('word').where({ account_id: accountId }).delete()
    },
  } satisfies FactorPart<'word', 'word'>
}
