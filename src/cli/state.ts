/** Whether an account or a client is enabled, as a word for a column. */
import type { Call } from './command.ts'

export const stateOf = (isDisabled: boolean, t: Call['t']): string => t(isDisabled ? 'cli.disabled' : 'cli.enabled')
