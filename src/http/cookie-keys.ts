/**
 * Signatures of cookies, with which Koa and the engine recognise their own cookies: HMAC-SHA-256
 * with keys that are created once.
 */
import type { KeyObject } from 'node:crypto'
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'

/**
 * The interface that the package `cookies` expects of Keygrip. Keygrip itself creates three keys at
 * each comparison.
 */
export type CookieKeys = {
  sign: (data: string) => string
  /**
   * The index of the secret that signed, or -1. The caller signs again when it is not the first.
   */
  index: (data: string, signature: string) => number
  verify: (data: string, signature: string) => boolean
}

/** The first of `secrets` signs; all of them verify. */
export function createCookieKeys(secrets: readonly [Buffer, ...Buffer[]]): CookieKeys {
  const keys = secrets.map((secret) => createSecretKey(secret))
  const mac = (key: KeyObject, data: string): Buffer => createHmac('sha256', key).update(data).digest()
  const index = (data: string, signature: string): number => {
    const given = Buffer.from(signature, 'base64url')
    return keys.findIndex((key) => {
      const expected = mac(key, data)
      return given.length === expected.length && timingSafeEqual(given, expected)
    })
  }
  return {
    sign: (data) => mac(keys[0]!, data).toString('base64url'),
    index,
    verify: (data, signature) => index(data, signature) >= 0,
  }
}
