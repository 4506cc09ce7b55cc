/**
 * What the engine's types omit. test/oidc/internals.test.ts fails when the engine no longer has it.
 */
import type { Session as EngineSession } from 'oidc-provider'

declare module 'oidc-provider' {
  interface Session {
    /** The id in the cookie. The types call it `jti`. */
    id: string
    /** True for a session that the request's cookie did not name. */
    readonly new?: boolean
    /** True after `destroy`. */
    readonly destroyed?: boolean
  }
  namespace Session {
    /** Creates a session from a stored payload. */
    let instantiate: (payload?: object) => EngineSession
  }
}
