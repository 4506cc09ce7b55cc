/** The configuration of a process: every problem is reported at once. */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sampleMasterKey } from '../../src/config/master-key.ts'
import type { ConfigProblem } from '../../src/config/problems.ts'
import { configProblemCodes } from '../../src/config/problems.ts'
import type { ConfigResult } from '../../src/config/read.ts'
import { readConfig } from '../../src/config/read.ts'
import { createSentences } from '../../src/locales.ts'
import { systemRandom } from '../../src/random.ts'
import { readResourceServerDocument } from '../../src/resource-servers/document.ts'
import { settingDefinitions } from '../../src/settings/definitions.ts'

const sentences = createSentences({ isStrict: true })

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'latchkey-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const production = {
  NODE_ENV: 'production',
  ISSUER: 'https://login.example.com',
  DATABASE_URL: 'postgres://latchkey:secret@db.example.com/latchkey?sslmode=verify-full',
  MASTER_KEY: randomBytes(32).toString('base64url'),
}
const development = () => ({ DATA_FOLDER: folder })

function configOf(result: ConfigResult) {
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.config
}

/** Only the sentence of a problem is shown, so it must name the variable exactly once. */
function expectNamedOnce({ variable, code, params }: ConfigProblem): void {
  const name = new RegExp(`(?<![A-Z_])${variable}(?![A-Z_])`, 'g')
  expect([code, sentences.t(`config.${code}`, params).match(name)]).toEqual([code, [variable]])
}

function problemsOf(result: ConfigResult) {
  for (const warning of result.warnings) expectNamedOnce(warning)
  if (!('problems' in result)) return []
  for (const problem of result.problems) expectNamedOnce(problem)
  return result.problems.map(({ variable, code }) => `${variable} ${code}`).sort()
}

const hour = 3_600_000
const api = 'https://api.example/'

test('development needs no variable: loopback, embedded database, its own master key', () => {
  expect(configOf(readConfig(development()))).toEqual({
    environment: 'development',
    issuer: 'http://localhost:3000',
    listen: { host: '127.0.0.1', port: 3000 },
    dataFolder: folder,
    database: { url: undefined, directUrl: undefined, poolSize: 20, migrateAtStart: true },
    redisUrl: undefined,
    masterKey: expect.any(Buffer),
    previousMasterKey: undefined,
    signingKeys: {
      algorithms: ['RS256', 'ES256', 'EdDSA'],
      times: { announcedMs: 24 * hour, activeMs: 30 * 24 * hour, retiredMs: 14 * 24 * hour + 60_000 },
      minAnnouncedMs: 360_000,
      jwksCacheSeconds: 300,
    },
    trustProxy: [],
    shutdownDelaySeconds: 0,
    serverProcesses: 1,
    outboundAllow: [{ protocol: 'http:', hostname: 'localhost', port: undefined }],
    requirePushedRequests: false,
    passwordHash: { memoryKiB: 65536, iterations: 3, parallelism: 4, slots: undefined, queue: 16 },
    email: { smtp: undefined, from: 'no-reply@localhost' },
    logLevel: 'info',
    metricsListen: undefined,
  })
})

test('the issuer of development follows its port', () => {
  expect(configOf(readConfig({ ...development(), PORT: '4000' })).issuer).toBe('http://localhost:4000')
})

test('production with its three variables is accepted, and listens on all addresses', () => {
  const config = configOf(readConfig(production))
  expect(config).toMatchObject({ environment: 'production', issuer: production.ISSUER, listen: { host: '0.0.0.0' } })
  expect(config.masterKey.toString('base64url')).toBe(production.MASTER_KEY)
})

test('the configuration is frozen', () => {
  const config = configOf(readConfig(production))
  for (const part of [config, config.listen, config.database, config.passwordHash, config.trustProxy]) {
    expect(Object.isFrozen(part)).toBe(true)
  }
})

test('production reports every missing variable at once', () => {
  expect(problemsOf(readConfig({ NODE_ENV: 'production' }))).toEqual([
    'DATABASE_URL database_url_missing',
    'ISSUER issuer_missing',
    'MASTER_KEY master_key_missing',
  ])
})

test('problems of every kind are reported together, and no file is written', () => {
  const env = {
    ...development(),
    ISSUER: 'http://a.example/x?y',
    PORT: '99999',
    MIGRATE_AT_START: 'yes',
    LOGLEVEL: 'info',
  }
  expect(problemsOf(readConfig(env))).toEqual([
    'ISSUER issuer_has_path',
    'ISSUER issuer_has_query',
    'ISSUER issuer_not_https',
    'LOGLEVEL unknown_variable',
    'MIGRATE_AT_START not_a_flag',
    'PORT not_a_whole_number',
  ])
  expect(readdirSync(folder)).toEqual([])
})

test('an empty variable counts as unset', () => {
  expect(problemsOf(readConfig({ ...production, MASTER_KEY: ' ' }))).toEqual(['MASTER_KEY master_key_missing'])
  expect(configOf(readConfig({ ...development(), REDIS_URL: '', PORT: '' })).listen.port).toBe(3000)
})

test.each([
  ['login.example.com', 'issuer_not_url'],
  ['http://login.example.com', 'issuer_not_https'],
  ['ftp://login.example.com', 'issuer_not_https'],
  ['https://login.example.com/', 'issuer_has_trailing_slash'],
  ['https://login.example.com/auth', 'issuer_has_path'],
  ['https://login.example.com/auth/', 'issuer_has_path'],
  ['https://login.example.com?', 'issuer_has_query'],
  ['https://login.example.com?tenant=1', 'issuer_has_query'],
  ['https://login.example.com#', 'issuer_has_fragment'],
  ['https://me:secret@login.example.com', 'issuer_has_credentials'],
  ['https://Login.example.com', 'issuer_not_canonical'],
  ['https://login.example.com:443', 'issuer_not_canonical'],
  ['https://bücher.example', 'issuer_not_canonical'],
  ['https:\\\\login.example.com', 'issuer_not_canonical'],
])('production refuses the issuer %s: %s', (issuer, code) => {
  expect(problemsOf(readConfig({ ...production, ISSUER: issuer }))).toEqual([`ISSUER ${code}`])
})

test('the issuer may have a port, and outside production http on loopback hosts only', () => {
  expect(configOf(readConfig({ ...production, ISSUER: 'https://a.example:8443' })).issuer).toBe(
    'https://a.example:8443',
  )
  for (const issuer of ['http://127.0.0.1:3000', 'http://[::1]:3000', 'http://app.localhost', 'https://a.example']) {
    expect(configOf(readConfig({ ...development(), ISSUER: issuer })).issuer).toBe(issuer)
  }
  expect(problemsOf(readConfig({ ...development(), ISSUER: 'http://10.0.0.1' }))).toEqual(['ISSUER issuer_not_https'])
  expect(problemsOf(readConfig({ ...production, ISSUER: 'http://localhost:3000' }))).toEqual([
    'ISSUER issuer_not_https',
  ])
})

test('development and test listen on loopback only', () => {
  for (const NODE_ENV of ['development', 'test']) {
    expect(problemsOf(readConfig({ ...development(), NODE_ENV, HOST: '0.0.0.0' }))).toEqual(['HOST host_not_loopback'])
    expect(configOf(readConfig({ ...development(), NODE_ENV, HOST: '::1' })).listen.host).toBe('::1')
  }
  expect(problemsOf(readConfig({ ...production, HOST: 'localhost:3000' }))).toEqual(['HOST host_malformed'])
})

test.each([
  ['ISUER', 'ISSUER'],
  ['DATABSE_URL', 'DATABASE_URL'],
  ['DATABASE_URI', 'DATABASE_URL'],
  ['MASTERKEY_FILE', 'MASTER_KEY_FILE'],
  ['MASTER-KEY', 'MASTER_KEY'],
  ['issuer', 'ISSUER'],
  ['ISSEUR', 'ISSUER'],
  ['TRUSTPROXY', 'TRUST_PROXY'],
  ['NODE_EVN', 'NODE_ENV'],
])('%s is refused, and the problem names %s', (name, nearest) => {
  const result = readConfig({ ...production, [name]: 'x' })
  expect(result).toMatchObject({
    problems: [{ variable: name, code: 'unknown_variable', params: { nearest, variable: name } }],
  })
})

test('variables of other programs are ignored', () => {
  const strangers =
    'HOME HOSTNAME PATH PWD USER TERM LANG NODE_PATH NODE_OPTIONS NODE_VERSION LOGNAME REDIS_PORT REDIS_HOST '
  const more =
    'DATABASE_HOST DATABASE_NAME DATABASE_USER POSTGRES_PORT PORTAGE PGHOST UV_THREADPOOL_SIZE CI INIT_CWD npm_config_loglevel'
  const env = Object.fromEntries((strangers + more).split(' ').map((name) => [name, 'x']))
  expect(problemsOf(readConfig({ ...production, ...env }))).toEqual([])
})

test('an unknown NODE_ENV is reported with the nearest one, and checked like it', () => {
  expect(readConfig({ NODE_ENV: 'prodution' })).toMatchObject({
    problems: expect.arrayContaining([
      expect.objectContaining({ code: 'not_a_choice', params: expect.objectContaining({ nearest: 'production' }) }),
      expect.objectContaining({ code: 'issuer_missing' }),
    ]),
  })
})

describe('master key', () => {
  const bytes = randomBytes(32)
  test.each(['base64url', 'base64', 'hex'] as const)('is read in %s, from the variable and from a file', (encoding) => {
    const written = bytes.toString(encoding)
    expect(configOf(readConfig({ ...production, MASTER_KEY: written })).masterKey).toEqual(bytes)
    const file = join(folder, 'key')
    writeFileSync(file, `${written}\n`, { mode: 0o600 })
    const result = readConfig({ ...production, MASTER_KEY: undefined, MASTER_KEY_FILE: file })
    expect(configOf(result).masterKey).toEqual(bytes)
    expect(result.warnings).toEqual([])
  })

  test.each([
    ['too short', randomBytes(31).toString('base64url'), 'master_key_malformed'],
    ['too long', randomBytes(33).toString('hex'), 'master_key_malformed'],
    ['a phrase', 'correct horse battery staple', 'master_key_malformed'],
    ['the sample', sampleMasterKey, 'master_key_sample'],
    ['zero', '00'.repeat(32), 'master_key_weak'],
    ['repeated', 'c0ffee11'.repeat(8), 'master_key_weak'],
    ['counted up', Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('hex'), 'master_key_weak'],
    ['a phrase in base64', Buffer.from('correct horse battery staple 123').toString('base64'), 'master_key_weak'],
  ])('production refuses one that is %s, without showing it', (_name, key, code) => {
    const result = readConfig({ ...production, MASTER_KEY: key })
    expect(problemsOf(result)).toEqual([`MASTER_KEY ${code}`])
    expect(JSON.stringify(result)).not.toContain(key)
  })

  test('random keys are never reported as weak', () => {
    for (let round = 0; round < 2000; round += 1) {
      expect(problemsOf(readConfig({ ...production, MASTER_KEY: randomBytes(32).toString('hex') }))).toEqual([])
    }
  })

  test('is refused when it is given twice', () => {
    expect(problemsOf(readConfig({ ...production, MASTER_KEY_FILE: '/x' }))).toEqual(['MASTER_KEY master_key_twice'])
  })

  test('may have a previous one, which must be different and given once', () => {
    const previous = Buffer.alloc(32, 7)
    const written = { ...production, MASTER_KEY_PREVIOUS: previous.toString('hex') }
    expect(configOf(readConfig(written)).previousMasterKey).toEqual(previous)
    const same = { ...production, MASTER_KEY_PREVIOUS: production.MASTER_KEY }
    expect(problemsOf(readConfig(same))).toEqual(['MASTER_KEY_PREVIOUS master_key_previous_same'])
    expect(problemsOf(readConfig({ ...written, MASTER_KEY_PREVIOUS_FILE: '/x' }))).toEqual([
      'MASTER_KEY_PREVIOUS master_key_previous_twice',
    ])
    expect(problemsOf(readConfig({ ...production, MASTER_KEY_PREVIOUS: 'short' }))).toEqual([
      'MASTER_KEY_PREVIOUS master_key_malformed',
    ])
  })

  test('in a missing file is a problem, in a file that other users may read a warning', () => {
    const file = join(folder, 'key')
    const env = { ...production, MASTER_KEY: undefined, MASTER_KEY_FILE: file }
    expect(readConfig(env)).toMatchObject({
      problems: [{ code: 'master_key_file_unreadable', params: { path: file, reason: 'ENOENT' } }],
    })
    writeFileSync(file, bytes.toString('hex'))
    chmodSync(file, 0o644)
    const result = readConfig(env)
    expect(configOf(result).masterKey).toEqual(bytes)
    expect(result.warnings).toMatchObject([{ code: 'master_key_file_exposed', params: { path: file, mode: '644' } }])
  })

  test('of development is created once, readable by its owner only, and read again', () => {
    const first = configOf(readConfig(development())).masterKey
    expect(statSync(join(folder, 'master.key')).mode & 0o777).toBe(0o600)
    expect(configOf(readConfig(development())).masterKey).toEqual(first)
    expect(readdirSync(folder)).toEqual(['master.key'])
  })

  test('of development is one, also when another process creates it at the same time', () => {
    let other: Buffer | undefined
    const random = {
      ...systemRandom,
      bytes: (length: number) => {
        other ??= configOf(readConfig(development())).masterKey
        return systemRandom.bytes(length)
      },
    }
    expect(configOf(readConfig(development(), random)).masterKey).toEqual(other)
    expect(readdirSync(folder)).toEqual(['master.key'])
  })

  test('of development that cannot be created is a problem that names the folder', () => {
    const blocked = join(folder, 'file')
    writeFileSync(blocked, '')
    expect(readConfig({ DATA_FOLDER: blocked })).toMatchObject({
      problems: [{ variable: 'DATA_FOLDER', code: 'data_folder_unwritable', params: { folder: blocked } }],
    })
  })
})

describe('OUTBOUND_ALLOW', () => {
  const allowed = (OUTBOUND_ALLOW: string) => readConfig({ ...production, OUTBOUND_ALLOW })

  test('accepts origins with a port, with every port, or with the default port', () => {
    const list = ' https://a.example, http://b.example:8080 ,http://localhost:*'
    expect(configOf(allowed(list)).outboundAllow).toEqual([
      { protocol: 'https:', hostname: 'a.example', port: '' },
      { protocol: 'http:', hostname: 'b.example', port: '8080' },
      { protocol: 'http:', hostname: 'localhost', port: undefined },
    ])
    expect(configOf(readConfig(production)).outboundAllow).toEqual([])
  })

  test.each([
    'a.example',
    'https://a.example/path',
    'ftp://a.example',
    'https://u:p@a.example',
    '*',
    'https://*:*:*',
    ':*',
  ])('refuses %s', (entry) => {
    expect(problemsOf(allowed(entry))).toEqual(['OUTBOUND_ALLOW outbound_allow_malformed'])
  })
})

describe('BREACH_CHECK_URL', () => {
  const read = (url: string, more: Record<string, string> = {}) =>
    readConfig({ ...production, BREACH_CHECK_URL: url, ...more })

  test('is unset by default, and may be any https URL; a final slash is added', () => {
    expect(configOf(readConfig(production)).breachCheck).toBeUndefined()
    for (const url of ['https://api.pwnedpasswords.com/range', 'https://api.pwnedpasswords.com/range/']) {
      expect(configOf(read(url)).breachCheck).toEqual({
        rangeUrl: 'https://api.pwnedpasswords.com/range/',
        outage: 'allow',
      })
    }
    expect(configOf(read('https://b.example/', { BREACH_CHECK_OUTAGE: 'refuse' })).breachCheck?.outage).toBe('refuse')
  })

  test('may be internal only if OUTBOUND_ALLOW names its origin', () => {
    const inside = 'http://breaches.internal:8080/range/'
    expect(problemsOf(read(inside))).toEqual(['BREACH_CHECK_URL breach_check_url_not_allowed'])
    expect(problemsOf(read('https://breaches.example:8443/'))).toEqual([
      'BREACH_CHECK_URL breach_check_url_not_allowed',
    ])
    for (const OUTBOUND_ALLOW of ['http://breaches.internal:8080', 'http://breaches.internal:*']) {
      expect(configOf(read(inside, { OUTBOUND_ALLOW })).breachCheck?.rangeUrl).toBe(inside)
    }
  })

  test.each([
    'breaches',
    'ftp://b.example/',
    'https://u:p@b.example/',
    'https://b.example/?range=',
    'https://b.example/#x',
  ])('refuses %s', (url) => {
    expect(problemsOf(read(url))).toEqual(['BREACH_CHECK_URL breach_check_url_malformed'])
  })

  test('BREACH_CHECK_OUTAGE needs the URL, and is one of two values', () => {
    expect(problemsOf(readConfig({ ...production, BREACH_CHECK_OUTAGE: 'refuse' }))).toEqual([
      'BREACH_CHECK_OUTAGE breach_check_outage_without_url',
    ])
    expect(problemsOf(read('https://b.example/', { BREACH_CHECK_OUTAGE: 'ignore' }))).toEqual([
      'BREACH_CHECK_OUTAGE not_a_choice',
    ])
  })
})

describe('database', () => {
  const codes = (url: string) => problemsOf(readConfig({ ...production, DATABASE_URL: url }))

  test('embedded: names the built-in database, in production too', () => {
    expect(configOf(readConfig({ ...production, DATABASE_URL: 'embedded:' })).database.url).toBeUndefined()
  })

  test.each([
    'postgres://u:p@db.example.com/latchkey?sslmode=verify-full',
    'postgresql://u:p@db.example.com:5432/latchkey?sslmode=verify-full&sslrootcert=/ca.pem',
    'postgres://u:p@127.0.0.1/latchkey',
    'postgres://u:p@localhost:5433/latchkey',
    'postgres://u@/latchkey?host=/run/postgresql',
    'postgres:///latchkey?host=/run/postgresql',
    'postgres://u@%2Frun%2Fpostgresql/latchkey',
    'postgres://u:p@postgres:5432/latchkey?sslmode=disable',
    'postgres://u:p@10.1.2.3/latchkey?sslmode=disable',
    'postgres://u:p@[fd00::1]/latchkey?sslmode=disable',
    'postgres://u:p@pg.data.svc.cluster.local/latchkey?sslmode=disable',
  ])('production takes %s', (url) => {
    expect(configOf(readConfig({ ...production, DATABASE_URL: url })).database.url).toBe(url)
  })

  test.each([
    ['postgres://u:p@db.example.com/latchkey', 'database_tls_unstated'],
    ['postgres://u:p@postgres/latchkey', 'database_tls_unstated'],
    ['postgres://u:p@db.example.com/latchkey?sslmode=disable', 'database_tls_unverified'],
    ['postgres://u:p@8.8.8.8/latchkey?sslmode=disable', 'database_tls_unverified'],
    ['postgres://u:p@localhost/latchkey?sslmode=disable&host=db.example.com', 'database_tls_unverified'],
    ['postgres://u:p@db.example.com/latchkey?sslmode=no-verify', 'database_tls_unverified'],
    ['postgres://u:p@10.1.2.3/latchkey?sslmode=no-verify', 'database_tls_unverified'],
    ['postgres://u:p@db.example.com/latchkey?sslmode=require&uselibpqcompat=true', 'database_tls_unverified'],
    ['postgres://u:p@db.example.com/latchkey?ssl=true', 'database_url_ssl'],
    ['mysql://u:p@db.example.com/latchkey', 'database_url_malformed'],
    ['postgres://u:p@db.example.com', 'database_url_malformed'],
    ['postgres:///latchkey', 'database_url_malformed'],
    ['db.example.com', 'database_url_malformed'],
  ])('production refuses %s: %s', (url, code) => {
    expect(codes(url)).toEqual([`DATABASE_URL ${code}`])
  })

  test('development does not require TLS', () => {
    const url = 'postgres://u:p@db.example.com/latchkey'
    expect(configOf(readConfig({ ...development(), DATABASE_URL: url })).database.url).toBe(url)
  })

  test('DATABASE_DIRECT_URL is checked like DATABASE_URL, and refused without it', () => {
    const direct = 'postgres://u:p@direct.example.com/latchkey'
    expect(problemsOf(readConfig({ ...production, DATABASE_DIRECT_URL: direct }))).toEqual([
      'DATABASE_DIRECT_URL database_tls_unstated',
    ])
    expect(problemsOf(readConfig({ ...development(), DATABASE_DIRECT_URL: direct }))).toEqual([
      'DATABASE_DIRECT_URL database_direct_url_without_url',
    ])
  })

  test('no problem shows the password', () => {
    const env = {
      ...production,
      DATABASE_URL: 'postgres://u:hunter2@db.example.com/x',
      REDIS_URL: 'redis://:hunter2@r.example.com',
    }
    expect(JSON.stringify(readConfig(env))).not.toContain('hunter2')
  })
})

test.each([
  ['redis://redis:6379', undefined],
  ['redis://redis', undefined],
  ['redis://:p%40ss@127.0.0.1:6379/1', undefined],
  ['rediss://u:p@r.example.com:6380/0', undefined],
  ['redis+cluster://10.0.0.1:7000,10.0.0.2:7000', undefined],
  ['rediss+cluster://u:p@one.example.com:7000,two.example.com:7000', undefined],
  ['redis://r.example.com:6379', 'redis_tls_missing'],
  ['redis+cluster://10.0.0.1:7000,r.example.com:7000', 'redis_tls_missing'],
  ['redis+cluster://10.0.0.1:7000,/1', 'redis_url_malformed'],
  ['redis+cluster://10.0.0.1:7000/1', 'redis_url_malformed'],
  ['redis://one:1,two:2', 'redis_url_malformed'],
  ['http://redis:6379', 'redis_url_malformed'],
  ['redis:6379', 'redis_url_malformed'],
  ['redis://', 'redis_url_malformed'],
])('REDIS_URL=%s in production: %s', (url, code) => {
  const result = readConfig({ ...production, REDIS_URL: url })
  expect(problemsOf(result)).toEqual(code ? [`REDIS_URL ${code}`] : [])
  if (!code) expect(configOf(result).redisUrl).toBe(url)
})

test('TRUST_PROXY accepts IP addresses and ranges, and not all of them', () => {
  const trusted = (TRUST_PROXY: string) => readConfig({ ...production, TRUST_PROXY })
  expect(configOf(trusted('10.0.0.0/8, 2001:db8::/32 ,127.0.0.1,::1')).trustProxy).toEqual([
    '10.0.0.0/8',
    '2001:db8::/32',
    '127.0.0.1',
    '::1',
  ])
  for (const entry of ['10.0.0.0/33', 'loopback', 'proxy.example.com', '1', '10.0.0', '10.0.0.1/x', '10.0.0.0/8/8']) {
    expect(problemsOf(trusted(entry))).toEqual(['TRUST_PROXY trust_proxy_malformed'])
  }
  for (const entry of ['0.0.0.0/0', '::/0']) {
    expect(problemsOf(trusted(entry))).toEqual(['TRUST_PROXY trust_proxy_everyone'])
  }
})

test('password hashing has minimum settings', () => {
  const floor = {
    PASSWORD_HASH_MEMORY_KIB: '19456',
    PASSWORD_HASH_ITERATIONS: '2',
    PASSWORD_HASH_PARALLELISM: '1',
    PASSWORD_HASH_SLOTS: '3',
    PASSWORD_HASH_QUEUE: '0',
  }
  expect(configOf(readConfig({ ...production, ...floor })).passwordHash).toEqual({
    memoryKiB: 19456,
    iterations: 2,
    parallelism: 1,
    slots: 3,
    queue: 0,
  })
  for (const [name, value] of [
    ['PASSWORD_HASH_MEMORY_KIB', '19455'],
    ['PASSWORD_HASH_ITERATIONS', '1'],
    ['PASSWORD_HASH_PARALLELISM', '0'],
    ['PASSWORD_HASH_SLOTS', '0'],
    ['PASSWORD_HASH_QUEUE', '-1'],
    ['PASSWORD_HASH_QUEUE', '1e3'],
    ['PASSWORD_HASH_QUEUE', '1.5'],
  ]) {
    expect(problemsOf(readConfig({ ...production, [String(name)]: value }))).toEqual([`${name} not_a_whole_number`])
  }
})

test('metrics have their own port, on loopback by default', () => {
  const metrics = (env: Record<string, string>) => readConfig({ ...production, ...env })
  expect(configOf(metrics({ METRICS_PORT: '9090' })).metricsListen).toEqual({ host: '127.0.0.1', port: 9090 })
  expect(problemsOf(metrics({ METRICS_PORT: '3000' }))).toEqual(['METRICS_PORT metrics_port_taken'])
  expect(problemsOf(metrics({ METRICS_HOST: '10.0.0.1' }))).toEqual(['METRICS_HOST metrics_host_without_port'])
  expect(problemsOf(metrics({ METRICS_PORT: 'tcp://1:1', METRICS_HOST: '::1' }))).toEqual([
    'METRICS_PORT not_a_whole_number',
  ])
})

describe('signing keys', () => {
  const problemsWith = (env: Record<string, string>) => problemsOf(readConfig({ ...production, ...env }))

  test('algorithms are sorted, and unknown ones are reported', () => {
    const env = { ...production, SIGNING_ALGORITHMS: ' ES512, RS256,PS256,,RS256' }
    expect(configOf(readConfig(env)).signingKeys.algorithms).toEqual(['RS256', 'PS256', 'ES512'])
    expect(problemsWith({ SIGNING_ALGORITHMS: 'RS256,HS256,none' })).toEqual([
      'SIGNING_ALGORITHMS signing_algorithm_unknown',
      'SIGNING_ALGORITHMS signing_algorithm_unknown',
    ])
  })

  test('RS256 is required (OpenID Connect Discovery 1.0 §3)', () => {
    expect(problemsWith({ SIGNING_ALGORITHMS: 'ES256' })).toEqual([
      'SIGNING_ALGORITHMS signing_algorithms_without_rs256',
    ])
  })

  test('the JWKS cache time is at most the announcement time of a key less a minute', () => {
    expect(problemsWith({ KEY_ANNOUNCE_HOURS: '1', JWKS_CACHE_SECONDS: '3540' })).toEqual([])
    expect(problemsWith({ KEY_ANNOUNCE_HOURS: '1', JWKS_CACHE_SECONDS: '3541' })).toEqual([
      'JWKS_CACHE_SECONDS jwks_cache_too_long',
    ])
  })

  test('the announcement time is shorter than the active time of a key', () => {
    expect(problemsWith({ KEY_ACTIVE_DAYS: '2', KEY_ANNOUNCE_HOURS: '47' })).toEqual([])
    expect(problemsWith({ KEY_ACTIVE_DAYS: '2', KEY_ANNOUNCE_HOURS: '48' })).toEqual([
      'KEY_ANNOUNCE_HOURS key_announced_too_long',
    ])
  })

  test('all contradictions are reported at once', () => {
    const env = { KEY_ACTIVE_DAYS: '1', KEY_ANNOUNCE_HOURS: '24', JWKS_CACHE_SECONDS: '86400', ID_TOKEN_HINT_DAYS: '0' }
    expect(problemsWith(env)).toEqual([
      'ID_TOKEN_HINT_DAYS not_a_whole_number',
      'JWKS_CACHE_SECONDS jwks_cache_too_long',
      'KEY_ANNOUNCE_HOURS key_announced_too_long',
    ])
  })

  test('a key stays published at least as long as anything that it can have signed is valid', () => {
    const { times } = configOf(readConfig({ ...production, ID_TOKEN_HINT_DAYS: '1' })).signingKeys
    const { accessTokenSeconds } = settingDefinitions
    expect(accessTokenSeconds).toHaveProperty('max', expect.any(Number))
    expect(times.retiredMs).toBeGreaterThan((accessTokenSeconds as { max: number }).max * 1000)
    const longest = { identifier: api, name: 'API', scopes: ['a'], token_lifetime_seconds: times.retiredMs / 1000 }
    expect(readResourceServerDocument(longest).problems).toMatchObject([{ path: 'token_lifetime_seconds' }])
  })
})

test('every problem code has a sentence and a case in this file', () => {
  const { config: byCode } = JSON.parse(readFileSync('locales/en.json', 'utf8'))
  expect(Object.keys(byCode).sort()).toEqual([...configProblemCodes].sort())
  const thisFile = readFileSync(import.meta.filename, 'utf8')
  expect(configProblemCodes.filter((code) => !thisFile.includes(code))).toEqual([])
})

test.each([
  [
    'smtps://user:p%40ss@mail.example.com',
    { host: 'mail.example.com', port: 465, isSecure: true, user: 'user', password: 'p@ss' },
  ],
  [
    'smtp://mail.example.com',
    { port: 587, isSecure: false, isTlsRequired: true, user: undefined, password: undefined },
  ],
  ['smtp://mail.example.com:2525/', { port: 2525, isTlsRequired: true }],
  ['smtp://localhost:1025', { port: 1025, isTlsRequired: false }],
  ['smtp://mailpit:1025', { host: 'mailpit', isTlsRequired: false }],
  ['smtp://[::1]:25', { host: '::1', port: 25, isTlsRequired: false }],
])('SMTP_URL=%s in production is taken, with TLS wherever the way is public', (url, expected) => {
  expect(configOf(readConfig({ ...production, SMTP_URL: url })).email.smtp).toMatchObject(expected)
})

test.each([
  'mail.example.com',
  'https://mail.example.com',
  'smtp://',
  'smtp://mail.example.com/path',
  'smtp://mail.example.com?tls.rejectUnauthorized=false',
  'smtp://user:p%ss@mail.example.com',
])('SMTP_URL=%s is refused: smtp_url_malformed', (url) => {
  const result = readConfig({ ...production, SMTP_URL: url })
  expect(problemsOf(result)).toEqual(['SMTP_URL smtp_url_malformed'])
  expect(JSON.stringify(result)).not.toContain('p%ss')
})

test.each([
  ['no-reply@example.com', true],
  ['Latchkey <no-reply@example.com>', false],
  ['a@example.com, b@example.com', false],
  ['a@example.com\nBcc: b@example.com', false],
  ['nobody', false],
])('MAIL_FROM=%s: an email alone, or mail_from_malformed (accepted: %s)', (from, isTaken) => {
  const result = readConfig({ ...production, MAIL_FROM: from })
  expect(problemsOf(result)).toEqual(isTaken ? [] : ['MAIL_FROM mail_from_malformed'])
})

test('the sender is no-reply at the issuer’s host by default', () => {
  expect(configOf(readConfig(production)).email.from).toBe('no-reply@login.example.com')
})

describe('GEOIP_DATABASE', () => {
  test('is unset by default, and must be a readable file', () => {
    expect(configOf(readConfig(production)).geoipDatabase).toBeUndefined()
    const here = import.meta.filename
    expect(configOf(readConfig({ ...production, GEOIP_DATABASE: here })).geoipDatabase).toBe(here)
    expect(problemsOf(readConfig({ ...production, GEOIP_DATABASE: '/nowhere/at-all.mmdb' }))).toEqual([
      'GEOIP_DATABASE geoip_database_unreadable',
    ])
  })
})
