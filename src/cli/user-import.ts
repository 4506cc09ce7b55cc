/** `latchkey user import` and `user export`: all users, as lines of JSON. */
import { createHash } from 'node:crypto'
import type { WriteStream } from 'node:fs'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { BatchReport } from '../accounts/import.ts'
import type { Problem } from '../problems.ts'
import type { Call, CliCommand, Outcome } from './command.ts'
import { exitCodes } from './command.ts'
import { fileUnreadable, fileUnwritable } from './errors.ts'
import type { Line } from './lines.ts'
import { readLines } from './lines.ts'
import { printable } from './output.ts'
import { createProgress } from './progress.ts'

/** Small enough for a statement of a few milliseconds, so that a running server is not blocked. */
const batchSize = 500

const importUsers: CliCommand = {
  name: 'user import',
  about: 'cli.user.import.about',
  arguments: [{ syntax: '<file>', text: 'cli.user.import.file' }],
  options: [
    { flags: '--rejects <file>', text: 'cli.user.import.rejects' },
    { flags: '--from-start', text: 'cli.user.import.fromStart' },
  ],
  examples: ['latchkey user import people.jsonl', 'latchkey user import - --rejects bad.jsonl < people.jsonl'],
  run: async (call) => {
    const path = call.args[0] ?? ''
    const file = path === '-' ? undefined : await fileAt(path)
    const { accountImport } = await call.openParts()
    const known = file && call.options.fromStart !== true ? await accountImport.findPosition(file.digest) : undefined
    const begin = known ?? { nextByte: 0, nextLine: 1 }
    const stream = file ? createReadStream(path, { start: begin.nextByte }) : call.io.stdin
    const rejectsPath = typeof call.options.rejects === 'string' ? call.options.rejects : file && `${path}.rejected`
    const rejects = createRejects(rejectsPath, begin.nextLine > 1)
    const progress = createProgress(call.io, file?.size ?? 0)
    const total = { read: 0, imported: 0, existing: 0, refused: 0 }
    const began = performance.now()
    for await (const { lines, ...position } of readLines(stream, { size: batchSize, ...begin })) {
      const report = await accountImport.importBatch(lines, file && { ...position, fileDigest: file.digest }, call.by)
      total.read += lines.length
      total.imported += report.imported
      total.existing += report.existing.length
      total.refused += report.refused.length
      if (report.refused.length + report.existing.length > 0) progress.clear()
      printReport(call, report)
      await rejects.write(lines, report)
      const perSecond = Math.round((total.read / (performance.now() - began)) * 1000)
      progress.show(position.nextByte, call.t('cli.user.import.progress', { count: total.read, perSecond }))
    }
    progress.clear()
    await rejects.close()
    return summary(call, { ...total, resumedAtLine: known?.nextLine, rejects: rejects.path() })
  },
}

async function fileAt(path: string): Promise<{ size: number; digest: Buffer }> {
  try {
    const digest = createHash('sha256')
    await pipeline(createReadStream(path), digest)
    return { size: (await stat(path)).size, digest: digest.digest() }
  } catch (error) {
    throw fileUnreadable({ params: { path, reason: (error as NodeJS.ErrnoException).code ?? 'error' } })
  }
}

/**
 * Every line that did not become an account, with its number and its problems: on standard error,
 * during the import.
 */
function printReport({ io, t, has, options }: Call, { refused, existing }: BatchReport): void {
  const sentence = ({ path, code, params }: Problem) =>
    `${path === '' ? '' : `${path}: `}${t(has(`problems.${code}`) ? `problems.${code}` : `errors.${code}`, params)}`
  const exists: readonly Problem[] = [{ path: '', code: 'account_exists' }]
  const named = [...refused, ...existing.map((line) => ({ line, problems: exists }))]
  for (const { line, problems } of named.sort((left, right) => left.line - right.line)) {
    const described = problems.map((problem) => ({
      path: problem.path,
      code: problem.code,
      message: sentence(problem),
    }))
    const text = `${t('cli.line', { line })}: ${described.map(({ message }) => message).join(' ')}`
    io.stderr.write(`${options.json === true ? JSON.stringify({ line, problems: described }) : printable(text)}\n`)
  }
}

/**
 * Copies the refused lines unchanged, to be corrected and imported again. They may contain hashes,
 * so only the file's owner may read them.
 */
function createRejects(path: string | undefined, isContinued: boolean) {
  let stream: WriteStream | undefined
  let failure: NodeJS.ErrnoException | undefined
  const fail = () => {
    if (failure) throw fileUnwritable({ params: { path: path ?? '', reason: failure.code ?? 'error' } })
  }
  return {
    path: () => (stream ? path : undefined),
    write: async (lines: readonly Line[], { refused }: BatchReport): Promise<void> => {
      if (path === undefined || refused.length === 0) return
      if (!stream) {
        stream = createWriteStream(path, { flags: isContinued ? 'a' : 'w', mode: 0o600 })
        stream.on('error', (error) => {
          failure = error
        })
      }
      const numbers = new Set(refused.map(({ line }) => line))
      const chosen = lines.filter(({ number }) => numbers.has(number))
      const bytes = Buffer.concat(chosen.flatMap((line) => [line.bytes, Buffer.from('\n')]))
      await new Promise<void>((resolve) => stream?.write(bytes, () => resolve()))
      fail()
    },
    close: async (): Promise<void> => {
      await new Promise<void>((resolve) => (stream ? stream.end(() => resolve()) : resolve()))
      fail()
    },
  }
}

type Total = {
  read: number
  imported: number
  existing: number
  refused: number
  resumedAtLine: number | undefined
  rejects: string | undefined
}

function summary({ t }: Call, { resumedAtLine, rejects, ...total }: Total): Outcome {
  const data = { ...total, ...(resumedAtLine && { resumedAtLine }), ...(rejects !== undefined && { rejects }) }
  const lines = [
    ...(resumedAtLine === undefined ? [] : [t('cli.user.import.resumed', { line: resumedAtLine })]),
    t('cli.user.import.done', total),
    ...(rejects === undefined ? [] : [t('cli.user.import.rejected', { path: rejects })]),
  ]
  return { data, text: lines.join('\n'), exitCode: total.refused > 0 ? exitCodes.refused : exitCodes.ok }
}

const exportUsers: CliCommand = {
  name: 'user export',
  about: 'cli.user.export.about',
  arguments: [{ syntax: '<file>', text: 'cli.user.export.file' }],
  options: [{ flags: '--password-hashes', text: 'cli.user.export.hashes' }],
  examples: ['latchkey user export -', 'latchkey user export people.jsonl --password-hashes'],
  run: async (call) => {
    const path = call.args[0] ?? ''
    const { accountImport } = await call.openParts()
    const hasHashes = call.options.passwordHashes === true
    const total = await accountImport.count()
    const progress = createProgress(call.io, total)
    let count = 0
    async function* documents() {
      for await (const batch of accountImport.exportAll({ hasHashes, by: call.by })) {
        count += batch.length
        progress.show(count, String(count))
        yield batch.map((document) => `${JSON.stringify(document)}\n`).join('')
      }
    }
    if (path === '-') {
      await pipeline(documents(), call.io.stdout, { end: false })
      progress.clear()
      return { data: undefined, text: '', isWritten: true }
    }
    try {
      // Never overwrites a file: it may be the only copy.
      await pipeline(documents(), createWriteStream(path, { flags: 'wx', mode: 0o600 }))
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code
      if (reason === undefined || !/^E[A-Z]+$/.test(reason)) throw error
      throw fileUnwritable({ params: { path, reason } })
    }
    progress.clear()
    return { data: { exported: count, file: path }, text: call.t('cli.user.export.done', { count, path }) }
  },
}

export const userImportCommands: readonly CliCommand[] = [importUsers, exportUsers]
