/** The shape of a second factor: a definition that says all of it, and a part that reads and writes. */
import type { z } from 'zod'
import type { Level } from '../authentication/levels.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Tx } from '../database/database.ts'
import type { Random } from '../random.ts'

/** The account that has to prove a factor, in the generation that its sign-in carries. */
export type FactorOwner = Readonly<{ accountId: string; generation: number }>

/** The account that a page of a factor is shown to. */
export type FactorPerson = Readonly<{ id: string; email: string; name?: string }>

/** Fields of a form, each with its check. */
type Fields = Readonly<Record<string, z.ZodType<string>>>
type Values<Field extends string> = Readonly<Partial<Record<Field, string>>>

/** What a view of a factor shows. The view is the factor's own, and only it knows the fields. */
export type FactorData = Readonly<Record<string, unknown>>

/** A column that holds values sealed under the master key; each seal is bound to `table:key`. */
export type SealedColumn = Readonly<{ table: string; key: string; column: string }>

export type FactorDeps = Readonly<{
  issuer: string
  db: Queryable
  sealer: { seal: (plain: Buffer, aad: string) => Buffer; open: (sealed: Buffer, aad: string) => Buffer }
  /** A key of 32 bytes for one purpose, from the root secret. */
  deriveKey: (purpose: string) => Buffer
  serviceName: () => string
  clock: Clock
  random: Random
}>

/** What a factor does. `Answer` and `Enrol` name the fields of its two forms; `tx` is the caller's. */
export type FactorPart<Answer extends string = string, Enrol extends string = string> = Readonly<{
  /** When each factor of this kind was set up (milliseconds), the oldest first; empty where there is none. */
  listAddedAt: (accountId: string, within?: Queryable) => Promise<number[]>
  /** Gives whether the answer proves the factor. It does so once: of any number at once one is true. */
  check: (owner: FactorOwner, answer: Values<Answer>, interactionUid: string) => Promise<boolean>
  /** What its view at the sign-in shows. */
  describeProof?: (accountId: string, interactionUid: string) => Promise<FactorData>
  /** What its view on the account page shows. A `binding` is the session or interaction that asks. */
  describeOwn: (person: FactorPerson, binding: string) => Promise<FactorData>
  /** What its view shows to set one up; nothing is stored. `again` is the form that was refused. */
  offer?: (person: FactorPerson, binding: string, again?: Values<Enrol>) => Promise<FactorData>
  /** Checks the form of the offer. Gives the write that stores the factor, or throws the refusal. */
  confirm?: (accountId: string, binding: string, form: Values<Enrol>) => Promise<(tx: Tx) => Promise<void>>
  /** Where an account has several: removes one. Gives whether it was there. */
  removeOne?: (tx: Tx, accountId: string, id: string) => Promise<boolean>
  removeAll: (tx: Tx, accountId: string) => Promise<void>
}>

/** How a factor is set up, and removed. */
export type Enrolment = Readonly<{
  /** Last parts of the addresses: below `/interaction/:uid` and below `/account/factors`. */
  paths: Readonly<{ signIn: string; account: string }>
  fields: Fields
  /** Whether its form has a page of its own; else it is in the section of `/account/factors`. */
  hasPage: boolean
  /** Error codes that the section shows; a page of its own shows problems beside their fields. */
  shownErrors?: readonly string[]
  /** Where an account has several: the field that names the one to remove. */
  item?: string
}>

export type FactorDefinition<Id extends string = string, Part extends FactorPart = FactorPart> = Readonly<{
  id: Id
  /** The class of a login that has proven it beside the password. */
  level: Exclude<Level, 'password'>
  /** Whether it reaches that class without the password. */
  isEnoughAlone: boolean
  /** Authentication method references (RFC 8176 §2). */
  amr: readonly string[]
  /** Whether wrong answers are counted. An answer that cannot be guessed is not. */
  isCounted: boolean
  /** Whether it only stands in for a factor and is none by itself. */
  isSubstitute: boolean
  /** Fields of the form that proves it. */
  answer: Fields
  /** Absent for a stand-in. */
  enrolment?: Enrolment
  /** What it keeps sealed: a change of the master key seals these columns anew. */
  seals: readonly SealedColumn[]
  /** Files: the form at the sign-in, the section on the account page, the form that sets one up. */
  views: Readonly<{ prove: string; own: string; enrol?: string }>
  /** Scripts that its forms need, of `views/assets/`. */
  scripts: readonly string[]
  create: (deps: FactorDeps) => Part
}>

/** Ties the fields of the two forms to the part that reads them. */
export const defineFactor = <
  const Id extends string,
  Answer extends string,
  Enrol extends string,
  Part extends FactorPart<NoInfer<Answer>, NoInfer<Enrol>>,
>(
  factor: FactorDefinition<Id, Part> &
    Readonly<{
      answer: Readonly<Record<Answer, z.ZodType<string>>>
      enrolment?: Readonly<{ fields: Readonly<Record<Enrol, z.ZodType<string>>> }>
    }>,
): FactorDefinition<Id, Part> => factor
