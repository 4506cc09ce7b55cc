/** Postgres without an installation. */
export type { EmbeddedOptions, EmbeddedPostgres } from './server.ts'
export { startEmbeddedPostgres } from './server.ts'
