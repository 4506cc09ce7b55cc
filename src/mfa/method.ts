/** The types of a second factor: its definition, and the part with its operations. */
import type { z } from 'zod'
import type { Level } from '../authentication/levels.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Tx } from '../database/database.ts'
import type { Random } from '../random.ts'

/** The account that has to prove a factor, in the generation of its sign-in. */
export type FactorOwner = Readonly<{ accountId: string; generation: number }>

/** The account for which a factor's page is rendered. */
export type FactorPerson = Readonly<{ id: string; email: string; name?: string }>

/** Fields of a form, each with its check. */
type Fields = Readonly<Record<string, z.ZodType<string>>>
type Values<Field extends string> = Readonly<Partial<Record<Field, string>>>

/** The data of a factor's view. Only the factor and its view know the fields. */
export type FactorData = Readonly<Record<string, unknown>>

/** A column that holds values sealed under the master key; each seal is bound to `table:key`. */
export type SealedColumn = Readonly<{ table: string; key: string; column: string }>

export type FactorDeps = Readonly<{
  issuer: string
  db: Queryable
  sealer: { seal: (plain: Buffer, aad: string) => Buffer; open: (sealed: Buffer, aad: string) => Buffer }
  /** Derives a 32-byte key for one purpose from the root secret. */
  deriveKey: (purpose: string) => Buffer
  serviceName: () => string
  clock: Clock
  random: Random
}>

/** The operations of a factor. `Answer` and `Enrol` name the fields of its forms. */
export type FactorPart<Answer extends string = string, Enrol extends string = string> = Readonly<{
  /** When each factor of this kind was set up (milliseconds), the oldest first. */
  listAddedAt: (accountId: string, within?: Queryable) => Promise<number[]>
  /**
   * Returns whether the answer proves the factor. Of concurrent calls, only one returns true. What
   * the answer spends is written in the transaction.
   */
  check: (tx: Tx, owner: FactorOwner, answer: Values<Answer>, interactionUid: string) => Promise<boolean>
  /** Data for the view at the sign-in. */
  describeProof?: (accountId: string, interactionUid: string) => Promise<FactorData>
  /** Data for the view on the account page. `binding` is the session or interaction. */
  describeOwn: (person: FactorPerson, binding: string) => Promise<FactorData>
  /** Data for the view that sets one up. Nothing is stored. `refusedForm`: the failed attempt. */
  offer?: (person: FactorPerson, binding: string, refusedForm?: Values<Enrol>) => Promise<FactorData>
  /** Checks the form of the offer. Returns the write that stores the factor, or throws an error. */
  confirm?: (accountId: string, binding: string, form: Values<Enrol>) => Promise<(tx: Tx) => Promise<void>>
  /** Removes one of several factors. Returns whether it existed. */
  removeOne?: (tx: Tx, accountId: string, id: string) => Promise<boolean>
  removeAll: (tx: Tx, accountId: string) => Promise<void>
}>

/** How a factor is set up and removed. */
export type Enrolment = Readonly<{
  /** Last parts of the paths below `/interaction/:uid` and below `/account/factors`. */
  paths: Readonly<{ signIn: string; account: string }>
  fields: Fields
  /** Whether the form has its own page. Otherwise it is in the section of `/account/factors`. */
  hasPage: boolean
  /** Error codes that the section shows. A separate page shows problems beside their fields. */
  shownErrors?: readonly string[]
  /** If an account can have several: the field that names the factor to remove. */
  item?: string
}>

export type FactorDefinition<Id extends string = string, Part extends FactorPart = FactorPart> = Readonly<{
  id: Id
  /** The class of a login with the password and this factor. */
  level: Exclude<Level, 'password'>
  /** Whether the factor reaches that class without the password. */
  isEnoughAlone: boolean
  /** Authentication method references (RFC 8176 §2). */
  amr: readonly string[]
  /** Whether wrong answers are counted. Answers that cannot be guessed are not counted. */
  isCounted: boolean
  /** Whether it only substitutes for a factor, such as a recovery code. */
  isSubstitute: boolean
  /** Fields of the form that proves the factor. */
  answer: Fields
  /** Undefined for a substitute. */
  enrolment?: Enrolment
  /** Sealed columns. A change of the master key seals them again. */
  seals: readonly SealedColumn[]
  /** Template files: the form at the sign-in, the section on the account page, the set-up form. */
  views: Readonly<{ prove: string; own: string; enrol?: string }>
  /** Scripts in `views/assets/` that its forms need. */
  scripts: readonly string[]
  create: (deps: FactorDeps) => Part
}>

/** Ties the fields of the two forms to the types of the part that reads them. */
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
