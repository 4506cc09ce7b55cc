/** An unreachable mail server delays one email at a time, and no other job. */

import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { withCircuitBreaker } from '../../src/email/circuit-breaker.ts'
import type { Message } from '../../src/email/transport.ts'
import { createTransport, isRefusedForGood } from '../../src/email/transport.ts'
import { startMailbox } from '../support/mailbox.ts'

const message: Message = {
  id: 'x',
  from: { name: 'Latchkey', address: 'no-reply@example.com' },
  to: 'a@example.com',
  subject: 's',
  text: 't',
  html: '<p>t</p>',
}
const plain = { host: '127.0.0.1', isSecure: false, isTlsRequired: false, user: undefined, password: undefined }

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('after a failed connection further emails fail at once, for two seconds', async () => {
  let nowMs = 0
  let sends = 0
  const away = createTransport({ ...plain, port: await freePort() })
  const counted = {
    check: away.check,
    send: (one: Message) => {
      sends += 1
      return away.send(one)
    },
  }
  const transport = withCircuitBreaker(counted, { monotonicMs: () => nowMs })
  await expect(transport.send(message)).rejects.toMatchObject({ code: 'ESOCKET' })
  nowMs = 1_999
  for (let times = 0; times < 3; times += 1)
    await expect(transport.send(message)).rejects.toMatchObject({ code: 'EPAUSED' })
  expect(sends).toBe(1)
  nowMs = 2_000
  await expect(transport.send(message)).rejects.toMatchObject({ code: 'ESOCKET' })
  expect(sends).toBe(2)
})

test('only a permanent refusal of the mail server is final; a temporary one and a failed connection are not', async () => {
  const mailbox = await startMailbox()
  const transport = createTransport({ ...plain, port: Number(new URL(mailbox.url).port) })
  const isFinal = async () => isRefusedForGood(await transport.send(message).catch((error: unknown) => error))
  mailbox.setMood('busy')
  expect(await isFinal()).toBe(false)
  mailbox.setMood('refusing')
  expect(await isFinal()).toBe(true)
  await mailbox.close()
  expect(await isFinal()).toBe(false)
})

test('a refusal of one email pauses no other email', async () => {
  const mailbox = await startMailbox()
  const transport = withCircuitBreaker(createTransport({ ...plain, port: Number(new URL(mailbox.url).port) }))
  for (const mood of ['refusing', 'busy'] as const) {
    mailbox.setMood(mood)
    await expect(transport.send(message)).rejects.toMatchObject({ code: 'EENVELOPE' })
  }
  mailbox.setMood('well')
  await transport.send(message)
  expect(mailbox.emails).toHaveLength(1)
  await mailbox.close()
})
