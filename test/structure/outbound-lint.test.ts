/** Only src/outbound/ opens outbound connections. The lint rule refuses other ways. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '../..')
const biome = path.join(root, 'node_modules/@biomejs/biome/bin/biome')

const planted: readonly string[] = [
  "export const load = () => fetch('https://a.example')",
  "export const load = () => globalThis.fetch('https://a.example')",
  "export const load = () => new WebSocket('wss://a.example')",
  "import { request } from 'node:http'\n\nexport const load = request",
  "import { get } from 'node:http'\n\nexport const load = get",
  "import https from 'node:https'\n\nexport const load = https.get",
  "import { request } from 'undici'\n\nexport const load = request",
  "import { connect } from 'node:net'\n\nexport const load = connect",
  "import { connect } from 'node:tls'\n\nexport const load = connect",
]
const setup = ['src/oidc', 'adapters', 'keys', 'src/outbound'] as const

test('each way to make outbound requests is refused everywhere except in its own folder', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-lint-'))
  try {
    copyFileSync(path.join(root, 'biome.json'), path.join(folder, 'biome.json'))
    for (const room of setup) {
      mkdirSync(path.join(folder, room), { recursive: true })
      for (const [index, text] of planted.entries()) {
        writeFileSync(path.join(folder, room, `planted-${index}.ts`), `${text}\n`)
      }
    }
    const args = [biome, 'lint', '--vcs-enabled=false', '--reporter=json', '--max-diagnostics=none', '.']
    const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: unknown[] }
    const refused = (file: string): boolean =>
      diagnostics.some((one) => {
        const text = JSON.stringify(one)
        return text.includes(file) && text.includes('noRestricted')
      })
    const results = setup.flatMap((room) =>
      planted.map((text, index) => [room, text, refused(`${room}/planted-${index}.ts`)]),
    )
    expect(results).toEqual(setup.flatMap((room) => planted.map((text) => [room, text, room !== 'src/outbound'])))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
