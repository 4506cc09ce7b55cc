/** What a kind of event is: a name, and how one is delivered. */
import type { Log } from '../log.ts'
import type { MailIntent } from '../mail/intent.ts'

export type Delivery = {
  /** The same at every attempt: a receiver that has seen it before ignores the repetition. */
  id: string
  /** 1 on the first. */
  attempt: number
  isLastAttempt: boolean
  /** Aborted when the process stops: give up, the next process delivers. */
  signal: AbortSignal
}

export type KindDeps = {
  log: Log
  /** Wakes the job that tells a relying party of a logout. */
  deliverLogout: (id: string) => Promise<void>
  /** Sends what the intent means, or decides that nobody is to get it. */
  postMail: (intent: MailIntent, delivery: Delivery) => Promise<void>
}

/** `Payload` is plain JSON. Delivered at least once; throwing asks for another attempt later. */
export type OutboxKind<Name extends string = string, Payload = unknown> = {
  name: Name
  /** Goes to somebody else's machine, which may be slow: it has workers of its own, and keeps nobody else waiting. */
  isOutside?: true
  /** After that many attempts the event is left for an operator (25 when absent: about three days). */
  maxAttempts?: number
  deliver: (payload: Payload, delivery: Delivery, deps: KindDeps) => Promise<void>
}

// `never` as the payload takes every kind into one list; the name gives each its own payload back.
export type AnyKind = OutboxKind<string, never>
export type PayloadOf<Kind extends AnyKind, Name extends string> =
  Extract<Kind, { name: Name }> extends OutboxKind<string, infer Payload> ? Payload : never
