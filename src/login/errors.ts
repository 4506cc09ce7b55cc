/** What can go wrong while signing in. */
import { declareError } from '../errors.ts'

/** One answer for an unknown address, a disabled account, an account without a password, and a wrong password. */
export const wrongCredentials = declareError('wrong_credentials', 400)
