/** Files of the checkout agree on the version, Node and the stores. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { listFiles, root } from './source.ts'

const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const manifest = JSON.parse(read('package.json'))
const lock = JSON.parse(read('package-lock.json'))

type Version = readonly [major: number, minor: number, patch: number]
const versionOf = (text: string): Version => {
  const [major = 0, minor = 0, patch = 0] = text.split('.').map((part) => Number.parseInt(part, 10) || 0)
  return [major, minor, patch]
}
const compare = (one: Version, other: Version): number => one[0] - other[0] || one[1] - other[1] || one[2] - other[2]

/** Whether a version meets one comparison of an npm range: `>=20.19`, `^22.13.0` or `20.*`. */
function meets(version: Version, comparison: string): boolean {
  const [, operator = '', text = ''] = /^(>=|\^)?(.*)$/.exec(comparison) ?? []
  const bound = versionOf(text)
  if (operator === '>=') return compare(version, bound) >= 0
  return version[0] === bound[0] && compare(version, bound) >= 0
}
const isWithin = (version: Version, range: string): boolean =>
  range
    .replaceAll(/(>=|\^) +/g, '$1')
    .split('||')
    .some((part) =>
      part
        .trim()
        .split(' ')
        .every((comparison) => meets(version, comparison)),
    )

/** The lowest version of each part of a range. */
const lowestOf = (range: string): Version[] => range.split('||').map((part) => versionOf(part.replace(/[^\d.]/g, '')))

test.each([
  [[20, 20, 2], '>=22.18.0', false],
  [[22, 18, 0], '>= 22.18', true],
  [[22, 18, 0], '^20.19.0 || >=22.12.0', true],
  [[26, 0, 0], '^22.18.0 || ^24.0.0', false],
  [[24, 1, 0], '18 || 20 || >=22', true],
  [[20, 1, 0], '10.* || >= 12.*', true],
] as const)('%j within %s: %s', (version, range, expected) => {
  expect(isWithin(version, range)).toBe(expected)
})

/** Packages whose `engines` refuses a lowest Node version of the project: npm would warn there. */
function listRefusing(packages: Record<string, { engines?: { node?: string } }>): string[] {
  const lowest = lowestOf(manifest.engines.node)
  return Object.entries(packages)
    .filter(([, { engines }]) => engines?.node && !lowest.every((version) => isWithin(version, engines.node ?? '')))
    .map(([name, { engines }]) => `${name} ${engines?.node}`)
}

test('every package supports the Node versions of package.json, and none is deprecated', () => {
  expect(listRefusing({ planted: { engines: { node: '>=22.19.0' } } })).toEqual(['planted >=22.19.0'])
  expect(listRefusing(lock.packages)).toEqual([])
  expect(Object.entries<object>(lock.packages).filter(([, entry]) => 'deprecated' in entry)).toEqual([])
})

test('every package has an exact version, and only listed packages run install scripts', () => {
  const { dependencies, devDependencies, optionalDependencies, allowScripts } = manifest
  const versions = Object.entries<string>({ ...dependencies, ...devDependencies, ...optionalDependencies })
  expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
  const entries = Object.entries<{ integrity?: string; hasInstallScript?: boolean }>(lock.packages)
  const installed = entries.filter(([place]) => place !== '')
  const unchecked = installed.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'))
  expect(unchecked.map(([place]) => place)).toEqual([])
  const withScript = installed.filter(([, entry]) => entry.hasInstallScript).map(([place]) => place)
  expect(withScript).toContain('node_modules/argon2')
  expect(Object.entries(allowScripts).filter(([, isAllowed]) => isAllowed)).toEqual([
    ['node', true],
    ['argon2', true],
  ])
})

test('known vulnerabilities of packages are proposed at any time, without the usual wait', () => {
  const { schedule, minimumReleaseAge, vulnerabilityAlerts } = JSON.parse(read('renovate.json'))
  expect([minimumReleaseAge, vulnerabilityAlerts.minimumReleaseAge]).toEqual(['7 days', null])
  expect(vulnerabilityAlerts.schedule).toHaveLength(1)
  expect(vulnerabilityAlerts.schedule).not.toEqual(schedule)
})

test('the image and the service run as an unprivileged user', () => {
  const users = [...read('Dockerfile').matchAll(/^(FROM|USER) (.*)$/gm)].map(([, kind, name]) => [kind, name])
  expect(users.at(-1)).toEqual(['USER', 'node'])
  expect(read('deploy/latchkey.service')).toMatch(/^User=latchkey$/m)
})

test('the Node of npm, .nvmrc and the images have one major version', () => {
  const [major] = versionOf(manifest.devDependencies.node)
  expect(read('.nvmrc')).toBe(`${manifest.devDependencies.node}\n`)
  expect(isWithin(versionOf(manifest.devDependencies.node), manifest.engines.node)).toBe(true)
  const images = ['Dockerfile', '.devcontainer/Dockerfile', '.github/workflows/ci.yml', '.github/workflows/nightly.yml']
  for (const file of images) {
    const named = [...read(file).matchAll(/\bnode:(\d+)/g)].map((match) => Number(match[1]))
    expect([file, ...new Set(named)]).toEqual([file, major])
  }
})

test('the image and the service start the server as npm start does', () => {
  // With `exec`, a signal to npm reaches the server: npm passes it to the shell only.
  const [, start] = /^exec (node .*)$/.exec(manifest.scripts.start) ?? []
  const [, image] = /^CMD (\[.*\])$/m.exec(read('Dockerfile')) ?? []
  const [, service] = /^ExecStart=\S*\/(node .*)$/m.exec(read('deploy/latchkey.service')) ?? []
  expect([JSON.parse(image ?? '[]').join(' '), service]).toEqual([start, start])
})

test('each page that names the Node to start with names the range of package.json', () => {
  expect(manifest.engines.node).toBe('^22.18.0 || ^24.0.0 || >=26.0.0')
  for (const file of ['README.md', 'CONTRIBUTING.md', 'docs/quick-start.md']) {
    expect(read(file)).toContain('Node 22.18 or newer, 24, or 26 and newer')
  }
})

test('package.json, the lock file and the newest entry of the changelog have one version', () => {
  const released = /^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$/m.exec(read('CHANGELOG.md'))
  expect([lock.version, lock.packages[''].version, released?.[1]]).toEqual(Array(3).fill(manifest.version))
})

test('the changelog has only the kinds of Keep a Changelog, and an Unreleased section', () => {
  const text = read('CHANGELOG.md')
  const kinds = [...text.matchAll(/^### (.*)$/gm)].map((match) => match[1])
  const known = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security']
  expect(kinds.filter((kind) => !known.includes(kind ?? ''))).toEqual([])
  expect(text).toContain('\n## [Unreleased]\n')
})

test('the workflows are valid YAML, run .ci/run, and name every action by its digest', () => {
  const workflows = listFiles(['.github/workflows'], ['.yml'])
  const runs = workflows.filter(({ text }) => text.includes('run: .ci/run ')).map(({ path: file }) => file)
  expect(runs).toEqual(['.github/workflows/ci.yml', '.github/workflows/nightly.yml'])
  for (const { text } of [...workflows, ...listFiles(['.github/ISSUE_TEMPLATE'], ['.yml'])]) {
    expect(parse(text)).toBeInstanceOf(Object)
    const actions = [...text.matchAll(/uses: (\S+)/g)].map((match) => match[1])
    expect(actions.filter((action) => !/@[\da-f]{40}$/.test(action ?? ''))).toEqual([])
  }
})

/** Folders below src that a text does not name, and paths in the text that do not exist. */
function compareWithTree(text: string): string[] {
  const folders = readdirSync(path.join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const unnamed = folders.map(({ name }) => `src/${name}`).filter((name) => !text.includes(`\`${name}/\``))
  const named = [...text.matchAll(/\b(?:src|test|adapters|keys|docs)\/[\w/.-]*\w/g)].map(([name]) => name)
  return [...unnamed, ...named.filter((name) => !existsSync(path.join(root, name)))]
}

test('ARCHITECTURE.md names each folder of src, and only what exists', () => {
  const text = read('ARCHITECTURE.md')
  expect(compareWithTree(`${text.replace('`src/http/`', '')} src/no-such-folder`)).toEqual([
    'src/http',
    'src/no-such-folder',
  ])
  expect(compareWithTree(text)).toEqual([])
})

test('the development container has the stores of compose.yaml', () => {
  const imagesOf = (file: string) => {
    const { services } = parse(read(file))
    return [services.postgres.image, services.redis.image]
  }
  expect(imagesOf('.devcontainer/compose.yaml')).toEqual(imagesOf('compose.yaml'))
})
