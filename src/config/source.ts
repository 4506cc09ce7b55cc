/**
 * Reads single variables by their type, and collects every problem instead of stopping at the
 * first.
 */
import { nearest } from '../problems.ts'
import type { Environment } from './config.ts'
import type { ConfigProblem, ConfigProblemCode } from './problems.ts'
import type { VariableName } from './variables.ts'
import { defaultOf } from './variables.ts'

export type Env = Readonly<Record<string, string | undefined>>
export type Source = ReturnType<typeof createSource>

/**
 * `environment` decides the defaults. An empty variable counts as unset, because compose files and
 * `.env` write it that way.
 */
export function createSource(env: Env, environment: Environment) {
  const problems: ConfigProblem[] = []
  const warnings: ConfigProblem[] = []

  const entry = (variable: string, code: ConfigProblemCode, params: ConfigProblem['params'] = {}): ConfigProblem => ({
    variable,
    code,
    params: { variable, ...params },
  })
  const problem = (...of: Parameters<typeof entry>): undefined => void problems.push(entry(...of))
  const warning = (...of: Parameters<typeof entry>): undefined => void warnings.push(entry(...of))

  const stated = (name: VariableName): string | undefined => env[name]?.trim() || undefined
  const text = (name: VariableName): string | undefined => stated(name) ?? defaultOf(name, environment)

  function integer(name: VariableName, range: { min: number; max: number }): number | undefined {
    const written = text(name)
    if (written === undefined) return undefined
    const value = Number(written)
    if (/^\d{1,10}$/.test(written) && value >= range.min && value <= range.max) return value
    return problem(name, 'not_a_whole_number', range)
  }

  function flag(name: VariableName): boolean | undefined {
    const written = text(name)
    if (written === 'true' || written === 'false') return written === 'true'
    return written === undefined ? undefined : problem(name, 'not_a_flag')
  }

  function choice<T extends string>(name: VariableName, choices: readonly T[]): T | undefined {
    const written = text(name)
    const found = choices.find((one) => one === written)
    if (found || written === undefined) return found
    return problem(name, 'not_a_choice', { choices: choices.join(', '), nearest: nearest(written, choices) })
  }

  return { environment, problems, warnings, problem, warning, stated, text, integer, flag, choice }
}
