/** Starts a Postgres that needs no installation. */
export type { EmbeddedOptions, EmbeddedPostgres } from './server.ts'
export { startEmbeddedPostgres } from './server.ts'
