/**
 * The outbox: messages that are sent at least once. An event is written in the transaction of the
 * change and delivered after its commit.
 */
import type { Sealer } from '../../keys/sealer.ts'
import type { Tx } from '../database/database.ts'
import type { Enqueue, EnqueueOptions, Task } from '../jobs/queue.ts'
import type { Random } from '../random.ts'
import type { Deliver, OutboxKind, PayloadOf } from './kind.ts'

export type Outbox<Kind extends OutboxKind> = {
  /**
   * Adds an event to the transaction of the change. Its payload is sealed, because it may contain a
   * link or an email. `alongside` is an insert that the same statement runs.
   */
  send: <Name extends Kind['name']>(
    tx: Tx,
    name: Name,
    payload: PayloadOf<Kind, Name>,
    alongside?: EnqueueOptions['alongside'],
  ) => Promise<void>
  /** Sets how a kind is delivered. Throws a TypeError for a second handler of a kind. */
  handle: <Name extends Kind['name']>(name: Name, deliver: Deliver<PayloadOf<Kind, Name>>) => void
  /** Throws a TypeError that names each kind without a handler. */
  refuseUnhandled: () => void
  /** The tasks of the queue: one for each kind. */
  tasks: Readonly<Record<string, Task>>
  /** The same for kinds that go to other servers. */
  outsideTasks: Readonly<Record<string, Task>>
}

type Deps<Kind extends OutboxKind> = {
  kinds: readonly Kind[]
  enqueue: Enqueue
  sealer: Sealer
  random: Random
}

/** The queue's job. One process at a time runs it; after a crash the next process does. */
type SealedEvent = { id: string; sealed: string }

export function createOutbox<Kind extends OutboxKind>({ kinds, enqueue, sealer, random }: Deps<Kind>): Outbox<Kind> {
  const kindsByName = new Map<string, OutboxKind>(kinds.map((kind) => [kind.name, kind]))
  const handlers = new Map<string, Deliver<never>>()
  return {
    handle(name, deliver) {
      if (handlers.has(name)) throw new TypeError(`the outbox has two handlers of ${name}`)
      handlers.set(name, deliver)
    },
    refuseUnhandled() {
      const missing = [...kindsByName.keys()].filter((name) => !handlers.has(name))
      if (missing.length > 0) throw new TypeError(`the outbox has no handler of ${missing.join(', ')}`)
    },
    async send(tx, name, payload, alongside) {
      const id = random.id()
      const sealed = sealer.seal(Buffer.from(JSON.stringify(payload)), aad(name, id)).toString('base64')
      const event: SealedEvent = { id, sealed }
      const { maxAttempts } = kindsByName.get(name) ?? {}
      await enqueue(tx, taskName(name), event, { maxAttempts, alongside })
    },
    tasks: tasksOf(({ isOutside }) => !isOutside),
    outsideTasks: tasksOf(({ isOutside }) => isOutside === true),
  }

  function tasksOf(isWanted: (kind: OutboxKind) => boolean): Record<string, Task> {
    const wanted = [...kindsByName.values()].filter(isWanted)
    return Object.fromEntries(wanted.map((kind) => [taskName(kind.name), taskOf(kind)]))
  }

  function taskOf({ name }: OutboxKind): Task {
    return async (job, { attempt, maxAttempts, signal }) => {
      const deliver = handlers.get(name)
      if (!deliver) throw new TypeError(`the outbox has no handler of ${name}`)
      const { id, sealed } = job as SealedEvent
      const text = sealer.open(Buffer.from(sealed, 'base64'), aad(name, id)).toString()
      // The payload was sealed with the name that selects the handler.
      await deliver(JSON.parse(text) as never, { id, attempt, isLastAttempt: attempt >= maxAttempts, signal })
    }
  }
}

const taskName = (name: string): string => `outbox:${name}`
/** Binds a sealed payload to its event: a copy in another row cannot be opened. */
const aad = (name: string, id: string): string => `outbox ${name} ${id}`
