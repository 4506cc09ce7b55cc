/** The list of variables matches the reader, .env.example and the docs. */
import { readFileSync } from 'node:fs'
import { sampleMasterKey } from '../../src/config/master-key.ts'
import { readConfig } from '../../src/config/read.ts'
import { defaultOf, variables } from '../../src/config/variables.ts'

const names = variables.map(({ name }) => name as string)
const envExample = readFileSync('.env.example', 'utf8')
const docs = readFileSync('docs/reference/environment-variables.md', 'utf8')

test('every variable that is read is in the list, and every variable of the list is read', () => {
  const read = new Set<string>()
  const spy = (env: Record<string, string>) =>
    new Proxy(env, {
      get: (target, name) => {
        read.add(String(name))
        return target[String(name)]
      },
    })
  readConfig(spy({ NODE_ENV: 'production' }))
  readConfig(spy({ NODE_ENV: 'production', DATABASE_URL: 'postgres://u@h/d', DATABASE_DIRECT_URL: 'x' }))
  expect([...read].sort()).toEqual([...names].sort())
})

test('.env.example has each variable once, in the order of the list, and nothing else', () => {
  expect([...envExample.matchAll(/^#?([A-Z_]+)=/gm)].map((match) => match[1])).toEqual(names)
})

test('.env.example with every line enabled is refused in production, because of its sample key and its missing geolocation file', () => {
  const lines = [...envExample.matchAll(/^#([A-Z_]+)=(.*)$/gm)].map((match) => [match[1], match[2]])
  const { MASTER_KEY_FILE: _file, ...env } = Object.fromEntries(lines)
  expect(env.MASTER_KEY).toBe(sampleMasterKey)
  expect(readConfig(env)).toMatchObject({
    problems: [{ code: 'master_key_sample' }, { code: 'geoip_database_unreadable' }],
  })
})

test('docs/reference/environment-variables.md has a row for each variable, in the order of the list, with its default', () => {
  const rows = [...docs.matchAll(/^\| `([A-Z_]+)` *\| ([^|]*) \|/gm)]
  expect(rows.map((row) => row[1])).toEqual(names)
  for (const [, name = '', shown] of rows) {
    const variable = variables.find((one) => one.name === name)
    for (const value of [defaultOf(variable!.name, 'development'), defaultOf(variable!.name, 'production')]) {
      if (value !== undefined) expect(shown).toContain(`\`${value}\``)
    }
  }
})
