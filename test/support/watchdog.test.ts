/** A test's processes and folders are removed when its process is gone, even after a crash. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { waitFor } from './wait.ts'

/** Runs `code` as a module in this folder. Returns the JSON that it prints, and its process. */
async function run(code: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    cwd: import.meta.dirname,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const said = JSON.parse((await lines.next()).value ?? '{}') as { pid: number; folder: string }
  return { ...said, child }
}

const isAlive = (pid: number) => existsSync(`/proc/${pid}/cwd`)
const beside = (name: string) => JSON.stringify(path.join(import.meta.dirname, name))

test('programs and folders are removed after kill -9 of the tests', async () => {
  const { pid, folder, child } = await run(`
    import { spawn } from 'node:child_process'
    const { watchProcess } = await import(${beside('watchdog.ts')})
    const { createTestFolder } = await import(${beside('folders.ts')})
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
    watchProcess(child)
    console.log(JSON.stringify({ pid: child.pid, folder: createTestFolder() }))
    setInterval(() => {}, 1000)`)
  expect([isAlive(pid), existsSync(folder)]).toEqual([true, true])
  child.kill('SIGKILL')
  await waitFor(() => !isAlive(pid) && !existsSync(folder))
})

test('the Postgres cluster of a run is removed after kill -9 of Jest', async () => {
  const { pid, folder, child } = await run(`
    import { readFileSync } from 'node:fs'
    import path from 'node:path'
    const { startCluster } = await import(${beside('cluster.ts')})
    const folder = new URL((await startCluster()).url('x')).searchParams.get('host')
    console.log(JSON.stringify({ pid: parseInt(readFileSync(path.join(folder, 'data/postmaster.pid'))), folder }))
    setInterval(() => {}, 1000)`)
  expect([isAlive(pid), existsSync(folder)]).toEqual([true, true])
  child.kill('SIGKILL')
  await waitFor(() => !isAlive(pid) && !existsSync(folder))
})
