/** Recovery codes: a substitute for a second factor. */
import { join } from 'node:path'
import { z } from 'zod'
import { defineFactor } from '../../method.ts'
import { createRecoveryCodes } from './method.ts'

const folder = import.meta.dirname

export const recoveryCode = defineFactor({
  id: 'recovery_code',
  level: 'multi_factor',
  isEnoughAlone: false,
  amr: ['otp'],
  isCounted: true,
  isSubstitute: true,
  answer: { code: z.string().max(100) },
  seals: [],
  views: { prove: join(folder, 'prove.ejs'), own: join(folder, 'own.ejs') },
  scripts: [],
  create: createRecoveryCodes,
})
