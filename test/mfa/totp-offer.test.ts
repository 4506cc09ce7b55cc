/** A failure of the server is not taken for an offer that came from another session. */
import { createTotp } from '../../src/mfa/methods/totp/method.ts'

const wrong = [{ path: 'code', code: 'code_wrong' }]

const confirming = (error: Error) => {
  const sealer = {
    open: () => {
      throw error
    },
  }
  // Only the sealer is used before the offer is open.
  return createTotp({ sealer } as never).confirm('account', 'session', { offer: 'AAAA', code: '123456' })
}

test.each(['seal_damaged', 'wrong_master_key'])(
  'an offer that the sealer refuses with %s is a wrong code',
  async (code) => {
    await expect(confirming(Object.assign(new Error(code), { code }))).rejects.toMatchObject({ problems: wrong })
  },
)

test('another error of the sealer is thrown', async () => {
  const defect = new TypeError('a defect of this program')
  await expect(confirming(defect)).rejects.toBe(defect)
})
