/** The authenticator app as a second factor. */
import { join } from 'node:path'
import { z } from 'zod'
import { defineFactor } from '../../method.ts'
import { createTotp } from './method.ts'

const folder = import.meta.dirname
const code = z.string().max(100)

export const totp = defineFactor({
  id: 'totp',
  level: 'multi_factor',
  isEnoughAlone: false,
  amr: ['otp'],
  isCounted: true,
  isSubstitute: false,
  answer: { code },
  enrolment: {
    paths: { signIn: 'enrol', account: 'app' },
    fields: { offer: z.string().max(1000), code },
    hasPage: true,
  },
  seals: [{ table: 'totp', key: 'account_id', column: 'sealed_secret' }],
  views: {
    prove: join(folder, 'prove.ejs'),
    own: join(folder, 'own.ejs'),
    enrol: join(folder, 'enrol.ejs'),
  },
  scripts: [],
  create: createTotp,
})
