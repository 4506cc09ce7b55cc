/**
 * The doctor: checks everything that a server depends on, one check after the other, and changes
 * nothing.
 */
import { AppError } from '../errors.ts'

export const findingStatuses = ['ok', 'warning', 'failed', 'skipped'] as const

export type Finding = Readonly<{
  status: (typeof findingStatuses)[number]
  /** Its message is `doctor.<code>`. */
  code: string
  params?: Readonly<Record<string, string | number>>
}>

export type Check = Readonly<{
  name: string
  /** Checks that must not have failed or been skipped: this check depends on them. */
  needs?: readonly string[]
  run: () => Promise<Finding | readonly Finding[]>
}>

export type Diagnosis = Finding & Readonly<{ check: string }>

/** Runs every check in order. A check that throws has failed; checks that need it are skipped. */
export async function examine(checks: readonly Check[]): Promise<Diagnosis[]> {
  const diagnoses: Diagnosis[] = []
  const isUsable = (name: string) =>
    diagnoses.every(({ check, status }) => check !== name || status === 'ok' || status === 'warning')
  for (const { name, needs = [], run } of checks) {
    const missing = needs.find((need) => !isUsable(need))
    const findings: readonly Finding[] = missing
      ? [{ status: 'skipped', code: 'needs', params: { check: missing } }]
      : [await attempt(run)].flat()
    diagnoses.push(...findings.map((finding) => ({ check: name, ...finding })))
  }
  return diagnoses
}

async function attempt(run: Check['run']): Promise<Finding | readonly Finding[]> {
  try {
    return await run()
  } catch (error) {
    const reason = error instanceof AppError || !(error instanceof Error) ? codeOf(error) : error.message
    return { status: 'failed', code: 'threw', params: { reason } }
  }
}

const codeOf = (error: unknown): string => (error instanceof AppError ? error.code : String(error))
