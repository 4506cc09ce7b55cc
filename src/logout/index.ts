/** Back-channel logout: notifies clients of sessions that have ended. */
import type { Enqueue } from '../jobs/queue.ts'
import type { Outbound } from '../outbound/service.ts'
import type { Endings } from '../revocation/endings.ts'
import { createLogout, logoutTask } from './service.ts'

type LogoutDeps = Parameters<typeof createLogout>[0]
type Deps = Omit<LogoutDeps, 'wake' | 'post' | 'makeToken'> & {
  enqueue: Enqueue
  request: Outbound['request']
  /** Signs a logout token with the client's algorithm. */
  makeLogoutToken: (event: Parameters<LogoutDeps['makeToken']>[0] & { algorithm: string }) => Promise<string>
  endings: Pick<Endings, 'register'>
  outbox: { handle: (name: 'logout', deliver: (event: { id: string }) => Promise<void>) => void }
}

const batchSize = 1000

export function createLogoutFeature({ enqueue, request, makeLogoutToken, endings, outbox, ...deps }: Deps) {
  const logout = createLogout({
    ...deps,
    // The previous version uses the same lane. Only the lane's own job has the key, so that
    // requests do not wait for each other.
    wake: (tx, clientId, { delayMs = 0, isOwn } = {}) => {
      const lane = `logout:${clientId}`
      return enqueue(tx, logoutTask, { clientId }, { delayMs, lane, ...(isOwn && { key: lane }) })
    },
    makeToken: (event, { metadata }) => makeLogoutToken({ ...event, algorithm: metadata.id_token_signed_response_alg }),
    post: (url, form) => request(url, { purpose: 'logout', method: 'POST', form }),
  })
  endings.register('sessionEnd', 'logoutDeliveries', logout.noteEnded)
  outbox.handle('logout', ({ id }) => logout.adopt(id))
  return {
    logout,
    outsideTasks: logout.tasks,
    duties: [
      {
        // Every five minutes: deletes deliveries that were settled a month ago, and queues missing
        // jobs.
        name: 'sweep-logout-deliveries',
        everySeconds: 300,
        run: async () => {
          await logout.sweep(batchSize)
          await logout.wakeOverdue()
        },
      },
    ],
  }
}
