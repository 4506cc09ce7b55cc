/** HAProxy as Debian installs it, in front of test servers, configured as in docs/deploying.md. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { startDaemon } from './daemon.ts'
import { createTestFolder } from './folders.ts'
import { findFreePorts } from './ports.ts'
import { waitFor } from './wait.ts'

/** `isWell`: no recent check has failed. `timesDown`: how often HAProxy took it out of service. */
export type ServerState = Readonly<{ isUp: boolean; isWell: boolean; failedChecks: number; timesDown: number }>

export type HaProxy = {
  /** Its URL, without a trailing slash. */
  url: string
  /** The state of each server, in their order. */
  look: () => Promise<readonly ServerState[]>
  close: () => Promise<void>
}

/** Resolves when all `servers` (ports on loopback) are up. It retries no request elsewhere. */
export async function startHaProxy(servers: readonly number[]): Promise<HaProxy> {
  const folder = createTestFolder()
  const [port = 0, statsPort = 0] = await findFreePorts(2)
  const settings = path.join(folder, 'haproxy.cfg')
  writeFileSync(
    settings,
    `defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  retries 0
  timeout check 3s
frontend latchkey
  bind 127.0.0.1:${port}
  default_backend servers
backend servers
  balance roundrobin
  http-reuse always
  option httpchk GET /health/ready
  default-server check inter 1s fastinter 500ms fall 3 rise 1
${servers.map((server, index) => `  server s${index} 127.0.0.1:${server}`).join('\n')}
listen stats
  bind 127.0.0.1:${statsPort}
  stats enable
  stats uri /
`,
  )
  const close = startDaemon({ name: 'haproxy', args: ['-f', settings, '-db'], folder })
  const look = async () => {
    const table = await (await fetch(`http://127.0.0.1:${statsPort}/;csv`)).text()
    return table
      .split('\n')
      .filter((line) => /^servers,s\d/.test(line))
      .map((line) => {
        const [status = '', failedChecks, timesDown] = [17, 21, 22].map((column) => line.split(',')[column])
        // "UP 1/3" has failed some of its checks.
        const state = { isUp: status.startsWith('UP'), isWell: status === 'UP' }
        return { ...state, failedChecks: Number(failedChecks), timesDown: Number(timesDown) }
      })
  }
  await waitFor(async () => (await look()).every(({ isUp }) => isUp), { what: 'HAProxy' })
  return { url: `http://127.0.0.1:${port}`, look, close }
}
