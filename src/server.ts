/** One running server: its parts and listeners, started in order and stopped in reverse order. */
import type { Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from './app.ts'
import type { Parts } from './compose/parts.ts'
import type { AppError } from './errors.ts'
import { listenAddressElsewhere, listenAddressForbidden, listenAddressTaken } from './http/errors.ts'
import { answerUnparsable, serverOptions } from './http/server.ts'
import { refuseLostAlgorithms } from './signing-keys/service.ts'

type Listen = Readonly<{ host: string; port: number }>

/**
 * The error for an address that cannot be used, which says what to do; `variable` names the setting
 * of the port.
 */
function toListenFailure(cause: NodeJS.ErrnoException, { host, port }: Listen, variable: string): AppError | Error {
  const options = { params: { host, port, variable }, cause }
  if (cause.code === 'EADDRINUSE') return listenAddressTaken(options)
  if (cause.code === 'EACCES') return listenAddressForbidden(options)
  if (cause.code === 'EADDRNOTAVAIL') return listenAddressElsewhere(options)
  return cause
}

/** How long running requests may take after the process was asked to stop, in milliseconds. */
const drainMs = 10_000
const everything = 1_000_000

const listen = (server: Server, listenAddress: Listen, variable: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(toListenFailure(error, listenAddress, variable))
    server.once('error', fail)
    server.listen(listenAddress.port, listenAddress.host, () => {
      server.off('error', fail)
      resolve()
    })
  })

async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const forced = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearTimeout(forced)
}

/**
 * Once the process stops, each answer says `Connection: close`. A client learns from the answer
 * that its connection ends, and not from a request that gets no answer.
 */
function createInFlight() {
  const inFlight = new Set<ServerResponse>()
  return {
    add(response: ServerResponse): void {
      inFlight.add(response)
      response.once('close', () => inFlight.delete(response))
    },
    closeAfter(): void {
      for (const response of inFlight) response.shouldKeepAlive = false
    },
  }
}

/** The private listener: metrics in the Prometheus text format, and nothing else. */
function createMetricsServer({ metrics, log }: Parts): Server {
  return createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    metrics.metrics().then(
      (text) => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
      (error: unknown) => {
        log.error({ err: error }, 'the metrics could not be collected')
        response.writeHead(500).end()
      },
    )
  })
}

/** The signing algorithms that clients and APIs use. */
async function listAlgorithmUsers({ clients, resourceServers }: Parts) {
  const [everyClient, everyApi] = await Promise.all([clients.list(everything), resourceServers.list(everything)])
  return [
    ...everyClient.map(({ clientId, metadata }) => ({
      name: clientId,
      algorithm: metadata.id_token_signed_response_alg,
    })),
    ...everyApi
      .filter(({ tokenFormat }) => tokenFormat === 'jwt')
      .map(({ identifier, signingAlgorithm }) => ({ name: identifier, algorithm: signingAlgorithm })),
  ]
}

/**
 * Listens and works until `stop`. Rejects when an address is in use, or when a client or an API
 * uses an algorithm that is not offered. `server`, when given, already listens.
 */
export async function startServer(parts: Parts, server: Server = createServer(serverOptions)) {
  const { config } = parts
  refuseLostAlgorithms(config.signingKeys.algorithms, await listAlgorithmUsers(parts))
  // Before the first request: an email in another spelling must find its account.
  await parts.mailboxes.run()
  await parts.processRegistry.serve()
  const answers = createInFlight()
  const answer = createApp(parts).callback()
  server.on('request', (request, response) => {
    if (parts.readiness.isStopping()) response.shouldKeepAlive = false
    // A document is written at once, so it is never in flight when the process stops.
    if (parts.documents.answer(request, response)) return
    answers.add(response)
    void answer(request, response)
  })
  answerUnparsable(server)
  if (!server.listening) await listen(server, config.listen, 'PORT')
  const metricsServer = config.metricsListen && createMetricsServer(parts)
  if (metricsServer && config.metricsListen) await listen(metricsServer, config.metricsListen, 'METRICS_PORT')
  parts.queue.start({ tasks: parts.tasks, outsideTasks: parts.outsideTasks, duties: parts.duties })

  return {
    /**
     * Notifies load balancers and waits, accepts no more requests, completes the running ones, then
     * releases everything.
     */
    stop: async (): Promise<void> => {
      parts.readiness.stop()
      answers.closeAfter()
      await sleep(config.shutdownDelaySeconds * 1_000)
      await Promise.all([drain(server), metricsServer && drain(metricsServer), parts.queue.stop()])
      await parts.close()
    },
  }
}
