/**
 * A kind of event: its name, and how often its delivery is tried. The feature that delivers it
 * registers a handler.
 */

export type Delivery = {
  /** The same at every attempt, so that a receiver can ignore repetitions. */
  id: string
  /** 1 on the first attempt. */
  attempt: number
  isLastAttempt: boolean
  /** Aborted when the process stops: the next process delivers the event. */
  signal: AbortSignal
}

/** Delivers one event. Called at least once for each; an error causes another attempt later. */
export type Deliver<Payload> = (payload: Payload, delivery: Delivery) => Promise<void>

/** `Payload` is plain JSON. */
export type OutboxKind<Name extends string = string, Payload = unknown> = Readonly<{
  name: Name
  /** Delivered to another server, which may be slow: these kinds have their own workers. */
  isOutside?: true
  /** After so many attempts an administrator must act (default 25: about three days). */
  maxAttempts?: number
  /** Never set: it connects the type of the payload with the name. */
  payload?: Payload
}>

export type PayloadOf<Kind extends OutboxKind, Name extends string> =
  Extract<Kind, { name: Name }> extends OutboxKind<string, infer Payload> ? Payload : never
