/** The output of the bench: one row for each flow and server, as a table or as JSON. */
import Table from 'cli-table3'
import type { Spread } from './statistics.ts'
import { median, percentile, spread } from './statistics.ts'

/** One measurement: one flow on one server in one round. */
export type Sample = {
  flow: string
  server: string
  round: number
  requests: number
  operations: number
  elapsedSeconds: number
  latencies: number[]
  cpuMicros: number
  storeCpuMicros: number | undefined
  residentBytes: number
  generatorUtilization: number
}

export type Row = {
  flow: string
  server: string
  requestsPerOperation: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  cpuMicrosPerRequest: number
  storeCpuMicrosPerRequest: number | undefined
  residentMiB: number
  generatorUtilization: number
  /** Requests a second and server CPU a request, relative to the bare engine in the same round. */
  rateRatio: Spread | undefined
  cpuRatio: Spread | undefined
  /** Server CPU a request, relative to the previous checkout in the same round. */
  cpuToBefore: Spread | undefined
}

const rate = (sample: Sample): number => sample.requests / sample.elapsedSeconds
const cpu = (sample: Sample): number => sample.cpuMicros / sample.requests

/**
 * Medians over the rounds; latencies are those of all rounds together. The servers of a flow are in
 * the order of `servers`.
 */
export function summarize(samples: readonly Sample[], servers: readonly string[]): Row[] {
  const inOrder = servers.flatMap((server) => samples.filter((sample) => sample.server === server))
  const flows = [...new Set(samples.map(({ flow }) => flow))]
  const byFlow = flows.flatMap((flow) => inOrder.filter((sample) => sample.flow === flow))
  const groups = Map.groupBy(byFlow, ({ flow, server }) => `${flow} ${server}`)
  return [...groups.values()].map((group) => {
    const { flow, server } = group[0]!
    const latencies = group.flatMap((sample) => sample.latencies)
    const storeCpu = group.flatMap((s) => (s.storeCpuMicros === undefined ? [] : [s.storeCpuMicros / s.requests]))
    const ratios = (measure: (sample: Sample) => number, to = 'bare'): Spread | undefined => {
      if (server === to) return undefined
      const values = group.flatMap((sample) => {
        const other = samples.find((s) => s.server === to && s.flow === flow && s.round === sample.round)
        return other ? [measure(sample) / measure(other)] : []
      })
      return values.length > 0 ? spread(values) : undefined
    }
    return {
      flow,
      server,
      requestsPerOperation: Math.round(group[0]!.requests / group[0]!.operations),
      requestsPerSecond: median(group.map(rate)),
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
      cpuMicrosPerRequest: median(group.map(cpu)),
      storeCpuMicrosPerRequest: storeCpu.length > 0 ? median(storeCpu) : undefined,
      residentMiB: (group.at(-1)?.residentBytes ?? 0) / 2 ** 20,
      generatorUtilization: Math.max(...group.map((sample) => sample.generatorUtilization)),
      rateRatio: ratios(rate),
      cpuRatio: ratios(cpu),
      cpuToBefore: ratios(cpu, `before, ${server}`),
    }
  })
}

const showSpread = (value: Spread | undefined): string =>
  value ? `${value.median.toFixed(2)} (${value.min.toFixed(2)}–${value.max.toFixed(2)})` : ''

const columns = [
  'flow',
  'server',
  'requests/s',
  'p50 ms',
  'p99 ms',
  'CPU µs/request',
  'store CPU µs',
  'memory MiB',
  'generator busy',
  'rate to bare',
  'CPU to bare',
  'CPU to before',
]

/** The table, as plain text for a terminal and a README. */
export function formatTable(rows: readonly Row[]): string {
  const table = new Table({ head: columns, style: { head: [], border: [], compact: true } })
  for (const row of rows) {
    table.push([
      row.requestsPerOperation > 1 ? `${row.flow} (${row.requestsPerOperation} requests)` : row.flow,
      row.server,
      row.requestsPerSecond.toFixed(0),
      row.p50Ms.toFixed(1),
      row.p99Ms.toFixed(1),
      row.cpuMicrosPerRequest.toFixed(0),
      row.storeCpuMicrosPerRequest?.toFixed(0) ?? '?',
      row.residentMiB.toFixed(0),
      `${(row.generatorUtilization * 100).toFixed(0)} %`,
      showSpread(row.rateRatio),
      showSpread(row.cpuRatio),
      showSpread(row.cpuToBefore),
    ])
  }
  return table.toString()
}
