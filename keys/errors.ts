/** How opening what is sealed can fail. Both stop a start; their sentences are `keys.<code>` in `locales/`. */

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
