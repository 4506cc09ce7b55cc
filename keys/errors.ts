/**
 * Failures of signing and of opening sealed values. The first two stop the start; their messages
 * are `keys.<code>` in `locales/`.
 */

/** The value was sealed with another master key. Nothing was changed. */
export class WrongMasterKey extends Error {
  readonly code = 'wrong_master_key'
  constructor() {
    super('wrong_master_key')
    this.name = 'WrongMasterKey'
  }
}

/**
 * The value was changed after it was sealed, or copied from another row. `params.place` names the
 * row, never the value.
 */
export class SealDamaged extends Error {
  readonly code = 'seal_damaged'
  readonly params: Readonly<{ place: string }>
  constructor(location: string, cause?: unknown) {
    super(`seal_damaged: ${location}`, { cause })
    this.name = 'SealDamaged'
    this.params = { place: location }
  }
}

/**
 * This process cannot read which key signs, so it signs nothing. The client may repeat the request
 * later (503).
 */
export class KeyRingUnconfirmed extends Error {
  readonly code = 'key_ring_unconfirmed'
  constructor(cause?: unknown) {
    super('key_ring_unconfirmed', { cause })
    this.name = 'KeyRingUnconfirmed'
  }
}
