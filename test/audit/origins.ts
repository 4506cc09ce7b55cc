/** Origins and initiators for tests that call a service without a request. */

export const testOrigin = { requestId: 'test', ip: '192.0.2.1' } as const

export const byAccount = (id: string) => ({ actor: { type: 'account', id }, origin: testOrigin }) as const
