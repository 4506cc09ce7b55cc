/** HAProxy as Debian installs it, in front of servers of a test, as docs/deploying.md sets it up. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { startDaemon } from './daemon.ts'
import { createTestFolder } from './folders.ts'
import { findFreePorts } from './ports.ts'
import { waitFor } from './wait.ts'

export type HaProxy = {
  /** Where it listens, without a trailing slash. */
  url: string
  /** How many of the servers it sends requests to. */
  countUp: () => Promise<number>
  close: () => Promise<void>
}

/** Started, with all of `servers` (ports on loopback) up. No request is sent again elsewhere. */
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
  timeout check 5s
frontend latchkey
  bind 127.0.0.1:${port}
  default_backend servers
backend servers
  balance roundrobin
  http-reuse always
  option httpchk GET /health/ready
  default-server check inter 200ms fall 1 rise 1
${servers.map((server, index) => `  server s${index} 127.0.0.1:${server}`).join('\n')}
listen stats
  bind 127.0.0.1:${statsPort}
  stats enable
  stats uri /
`,
  )
  const close = startDaemon({ name: 'haproxy', args: ['-f', settings, '-db'], folder })
  const countUp = async () => {
    const table = await (await fetch(`http://127.0.0.1:${statsPort}/;csv`)).text()
    return table.split('\n').filter((line) => /^servers,s\d/.test(line) && line.split(',')[17] === 'UP').length
  }
  await waitFor(async () => (await countUp()) === servers.length, { what: 'HAProxy' })
  return { url: `http://127.0.0.1:${port}`, countUp, close }
}
