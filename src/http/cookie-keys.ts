/** Signatures of cookies, by which Koa and the engine know the cookies they have set: HMAC-SHA-256 under keys that are made once. */
import type { KeyObject } from 'node:crypto'
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'

/** What the package `cookies` asks of a Keygrip. Its own makes a key of the secret, twice more of random bytes, at each comparison. */
export type CookieKeys = {
  sign: (data: string) => string
  /** Which of the secrets signed, or -1. What an older one than the first has signed is signed anew by whoever asks. */
  index: (data: string, signature: string) => number
  verify: (data: string, signature: string) => boolean
}

/** The first of `secrets` signs, all of them are recognised. */
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
