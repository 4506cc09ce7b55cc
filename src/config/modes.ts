/** What follows from the environment of a process. */
import type { Config } from './config.ts'

type Environment = Pick<Config, 'environment'>

export const isProduction = ({ environment }: Environment): boolean => environment === 'production'

/** A test fails for a sentence that is missing; a server shows its key. */
export const isStrictAboutSentences = ({ environment }: Environment): boolean => environment === 'test'
