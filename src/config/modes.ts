/** What depends on the environment of a process. */
import type { Config } from './config.ts'

type Environment = Pick<Config, 'environment'>

export const isProduction = ({ environment }: Environment): boolean => environment === 'production'

/** A missing message fails a test; a server shows its key instead. */
export const isStrictAboutSentences = ({ environment }: Environment): boolean => environment === 'test'
