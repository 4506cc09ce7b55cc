/** What a kind of event is: a name, and how often its delivery is tried. The feature that delivers it registers a handler. */

export type Delivery = {
  /** The same at every attempt: a receiver that has seen it before ignores the repetition. */
  id: string
  /** 1 on the first. */
  attempt: number
  isLastAttempt: boolean
  /** Aborted when the process stops: give up, the next process delivers. */
  signal: AbortSignal
}

/** Delivers one event. Called at least once for each; throwing asks for another attempt later. */
export type Deliver<Payload> = (payload: Payload, delivery: Delivery) => Promise<void>

/** `Payload` is plain JSON. */
export type OutboxKind<Name extends string = string, Payload = unknown> = Readonly<{
  name: Name
  /** Goes to another machine, which may be slow: these kinds have workers of their own. */
  isOutside?: true
  /** After that many attempts the event is left for an operator (25 when absent: about three days). */
  maxAttempts?: number
  /** No kind sets it: it ties the type of the payload to the name. */
  payload?: Payload
}>

export type PayloadOf<Kind extends OutboxKind, Name extends string> =
  Extract<Kind, { name: Name }> extends OutboxKind<string, infer Payload> ? Payload : never
