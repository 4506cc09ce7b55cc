/** The passkey, as the second factor or the only one. */
import { join } from 'node:path'
import { z } from 'zod'
import { defineFactor } from '../../method.ts'
import { createPasskeys } from './method.ts'

const folder = import.meta.dirname
const response = z.string().max(16_000)

export const passkey = defineFactor({
  id: 'passkey',
  level: 'phishing_resistant',
  // It is two factors: the device, and its unlocking. User verification is always required.
  isEnoughAlone: true,
  // Possession of a key, and user presence. Whether hardware protects the key is unknown.
  amr: ['pop', 'user'],
  // A signature cannot be guessed.
  isCounted: false,
  isSubstitute: false,
  answer: { response },
  enrolment: {
    paths: { signIn: 'enrol-passkey', account: 'passkeys' },
    fields: { response, name: z.string().max(200) },
    hasPage: false,
    shownErrors: ['passkey_refused'],
    item: 'passkey',
  },
  seals: [],
  views: {
    prove: join(folder, 'prove.ejs'),
    own: join(folder, 'own.ejs'),
    enrol: join(folder, 'enrol.ejs'),
  },
  scripts: ['webauthn.js', 'passkey.js'],
  create: createPasskeys,
})
