/** The grants of the token endpoint. Each grant has its own file and one line in this list. */
import { authorizationCode } from './authorization-code.ts'
import { clientCredentials } from './client-credentials.ts'
import type { Grant } from './grant.ts'
import { refreshToken } from './refresh-token.ts'

export const grants: readonly Grant[] = [authorizationCode, refreshToken, clientCredentials]
