/**
 * Origins in the operator's own network that the server may call. Each is named, because they skip
 * every check of IP addresses.
 */
import type { AllowedOrigin } from './config.ts'
import type { Source } from './source.ts'

const anyPort = ':*'

/**
 * `http://localhost:*` allows every port of that host. Undefined when the entry is not an origin.
 */
function readOrigin(entry: string): AllowedOrigin | undefined {
  const hasAnyPort = entry.endsWith(anyPort)
  const url = URL.parse(hasAnyPort ? entry.slice(0, -anyPort.length) : entry)
  if (!url || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) return undefined
  return Object.freeze({ protocol: url.protocol, hostname: url.hostname, port: hasAnyPort ? undefined : url.port })
}

export function readOutboundAllow(source: Source): readonly AllowedOrigin[] {
  const entries = (source.text('OUTBOUND_ALLOW') ?? '').split(',').map((entry) => entry.trim())
  const stated = entries.filter((entry) => entry !== '')
  return Object.freeze(
    stated.flatMap((entry) => {
      const origin = readOrigin(entry)
      if (!origin) source.problem('OUTBOUND_ALLOW', 'outbound_allow_malformed', { entry })
      return origin ?? []
    }),
  )
}
