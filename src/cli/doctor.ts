/** `latchkey doctor`: checks what a server depends on, and changes nothing. */
import { listChecks } from '../doctor/checks.ts'
import type { Diagnosis } from '../doctor/service.ts'
import { examine } from '../doctor/service.ts'
import type { CliCommand } from './command.ts'
import { exitCodes } from './command.ts'
import { table } from './output.ts'

export const doctor: CliCommand = {
  name: 'doctor',
  about: 'cli.doctor.about',
  examples: ['latchkey doctor', 'latchkey doctor --json'],
  run: async (call) => {
    const { t, has } = call
    const diagnoses = await examine(listChecks(call))
    const sentenceOf = ({ code, params }: Diagnosis) => {
      const reason = params?.reason
      const isCode = typeof reason === 'string' && has(`errors.${reason}`)
      return t(`doctor.${code}`, isCode ? { ...params, reason: t(`errors.${reason}`) } : params)
    }
    const checks = diagnoses.map((one) => ({ ...one, message: sentenceOf(one) }))
    const rows = checks.map(({ check, status, message }) => [check, t(`cli.doctor.${status}`), message])
    const head = [t('cli.columns.check'), t('cli.columns.state'), t('cli.columns.finding')]
    return { data: { checks }, text: table(head, rows), exitCode: exitCodeOf(diagnoses) }
  },
}

function exitCodeOf(diagnoses: readonly Diagnosis[]): number {
  const failures = diagnoses.filter(({ status }) => status === 'failed')
  if (failures.length === 0) return exitCodes.ok
  const isConfiguration = failures.some(({ check, code }) => check === 'configuration' || code === 'master_key_wrong')
  return isConfiguration ? exitCodes.configuration : exitCodes.refused
}
