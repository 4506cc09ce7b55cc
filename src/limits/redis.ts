/**
 * Rate limits in Redis: one script for each algorithm, with one key, so that each call is atomic.
 */
import type { Cluster, Redis } from 'ioredis'
import type { AlgorithmName, State } from './algorithms.ts'
import { expiresAt } from './algorithms.ts'
import type { LimitStore } from './store.ts'

// ARGV: now, limit, windowMs, wanted, TTL in ms. The server's clock gives the time:
// the scripts never ask Redis for it, and the TTL only deletes old keys.
const head = `
local now, limit, window, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function exact(n) return string.format('%.17g', n) end
local function atMost(left) return math.min(wanted, math.max(0, math.floor(left + 1e-9))) end`

const scripts: Readonly<Record<AlgorithmName, string>> = {
  'token-bucket': `${head}
local found = redis.call('HMGET', KEYS[1], 'at', 'level')
local at, level = tonumber(found[1] or now), tonumber(found[2] or limit)
level = math.min(limit, level + math.max(0, now - at) * limit / window)
at = math.max(at, now)
local granted = atMost(level)
level = level - granted
redis.call('HSET', KEYS[1], 'at', exact(at), 'level', exact(level))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return { exact(granted), exact(at), exact(level), '0' }`,

  'sliding-counter': `${head}
local found = redis.call('HMGET', KEYS[1], 'at', 'level', 'previous')
local begun = math.floor(now / window) * window
local before, level, previous = tonumber(found[1] or begun), tonumber(found[2] or 0), tonumber(found[3] or 0)
local at = math.max(before, begun)
if at ~= before then
  if before + window == at then previous = level else previous = 0 end
  level = 0
end
local elapsed = math.max(at, now) - at
local granted = atMost(limit - level - previous * (window - elapsed) / window)
level = level + granted
redis.call('HSET', KEYS[1], 'at', exact(at), 'level', exact(level), 'previous', exact(previous))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return { exact(granted), exact(at), exact(level), exact(previous) }`,

  'sliding-log': `${head}
local recent = {}
for _, hit in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if tonumber(hit) > now - window then recent[#recent + 1] = tonumber(hit) end
end
table.sort(recent)
local granted = atMost(limit - #recent)
for _ = 1, granted do recent[#recent + 1] = now end
redis.call('DEL', KEYS[1])
local answer = { exact(granted), exact(now), '0', '0' }
for _, hit in ipairs(recent) do
  redis.call('RPUSH', KEYS[1], exact(hit))
  answer[#answer + 1] = exact(hit)
end
if #recent > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return answer`,
}

const commands: Readonly<Record<AlgorithmName, string>> = {
  'token-bucket': 'latchkeyTokenBucket',
  'sliding-counter': 'latchkeySlidingCounter',
  'sliding-log': 'latchkeySlidingLog',
}

type Command = (key: string, ...values: number[]) => Promise<string[]>

export function createRedisStore(redis: Redis | Cluster): LimitStore {
  for (const [name, lua] of Object.entries(scripts)) {
    // Sent as a digest. The full script is sent only to a Redis that does not know it.
    redis.defineCommand(commands[name as AlgorithmName], { numberOfKeys: 1, lua })
  }
  return {
    name: 'redis',
    take: async (key, ask): Promise<State> => {
      const { algorithm, now, limit, windowMs, wanted } = ask
      // The client has a method for each command of `defineCommand`, but its type does not.
      const command = (redis as unknown as Record<string, Command>)[commands[algorithm]]!
      const name = `latchkey:limit:{${key.toString('base64url')}}`
      const answer = await command.call(redis, name, now, limit, windowMs, wanted, expiresAt(ask) - now)
      const [granted, at, level, previous, ...hits] = answer.map(Number)
      return { granted: granted!, at: at!, level: level!, previous: previous!, hits }
    },
  }
}
