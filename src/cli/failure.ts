/**
 * A failure for people or for programs: its code, its message, and every problem with its place.
 */
import { SealDamaged, WrongMasterKey } from '../../keys/errors.ts'
import { connectionReason } from '../database/errors.ts'
import { AppError } from '../errors.ts'
import type { Sentences } from '../locales.ts'
import type { Problem } from '../problems.ts'
import { ProblemsError } from '../problems.ts'
import { ConfigurationRefused } from './errors.ts'
import { printable } from './output.ts'

type FailureDescription = {
  code: string
  message: string
  problems: { path: string; line?: number; code: string; message: string }[]
}

/** Never contains a stack or a secret. `isJson` gives `{"error": …}`. */
export function describeFailure(
  error: unknown,
  { sentences, isJson }: { sentences: Sentences; isJson: boolean },
): string {
  const described = describe(error, sentences)
  if (isJson) return JSON.stringify({ error: described })
  // The message of a configuration problem already names its variable.
  const isNamed = error instanceof ConfigurationRefused
  const lines = described.problems.map(({ path, line, message }) => {
    const location = [line === undefined ? '' : sentences.t('cli.line', { line }), isNamed ? '' : path]
      .filter((part) => part !== '')
      .join(', ')
    return `- ${location === '' ? '' : `${location}: `}${message}`
  })
  return printable([`${described.message} (${described.code})`, ...lines].join('\n'))
}

function describe(error: unknown, sentences: Sentences): FailureDescription {
  const { t } = sentences
  if (error instanceof ConfigurationRefused) {
    const problems = error.problems.map(({ variable, code, params }) => ({
      path: variable,
      code,
      message: t(`config.${code}`, params),
    }))
    return { code: 'configuration_refused', message: t('cli.configurationRefused'), problems }
  }
  if (error instanceof ProblemsError) {
    const problems = error.problems.map((problem) => describeProblem(problem, sentences))
    return { code: error.code, message: t(`errors.${error.code}`, error.params), problems }
  }
  if (error instanceof AppError && error.code === 'database_unavailable') {
    const reason = connectionReason(error)
    return { code: error.code, message: t('cli.databaseUnreachable', { reason }), problems: [] }
  }
  if (error instanceof AppError)
    return { code: error.code, message: t(`errors.${error.code}`, error.params), problems: [] }
  if (error instanceof WrongMasterKey) return { code: error.code, message: t('keys.wrong_master_key'), problems: [] }
  if (error instanceof SealDamaged)
    return { code: error.code, message: t('keys.seal_damaged', error.params), problems: [] }
  const reason = error instanceof Error ? error.message : String(error)
  return { code: 'unexpected', message: t('cli.unexpected', { reason }), problems: [] }
}

/**
 * The refusal of a password has its message under `errors.`, because other features throw it as an
 * error.
 */
function describeProblem({ path, code, params, line }: Problem, { t, has }: Sentences) {
  const message = has(`problems.${code}`) ? t(`problems.${code}`, params) : t(`errors.${code}`, params)
  return { path, code, message, ...(line === undefined ? {} : { line }) }
}
