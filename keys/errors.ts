/** How opening what is sealed, and signing, can fail. The first two stop a start; their sentences are `keys.<code>` in `locales/`. */

/** Sealed under another master key than the one at hand. Nothing was changed. */
export class WrongMasterKey extends Error {
  readonly code = 'wrong_master_key'
  constructor() {
    super('wrong_master_key')
    this.name = 'WrongMasterKey'
  }
}

/** Altered since it was sealed, or copied there from another row. `params.place` says which row, never what is in it. */
export class SealDamaged extends Error {
  readonly code = 'seal_damaged'
  readonly params: Readonly<{ place: string }>
  constructor(place: string, cause?: unknown) {
    super(`seal_damaged: ${place}`, { cause })
    this.name = 'SealDamaged'
    this.params = { place }
  }
}

/** The ring cannot be asked which key signs: nothing may be signed now, and the same request may be sent again later (503). */
export class KeyRingUnconfirmed extends Error {
  readonly code = 'key_ring_unconfirmed'
  constructor(cause?: unknown) {
    super('key_ring_unconfirmed', { cause })
    this.name = 'KeyRingUnconfirmed'
  }
}
