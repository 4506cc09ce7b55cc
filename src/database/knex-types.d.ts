/**
 * Bindings of `raw` that knex's own types refuse: knex passes lists and buffers to pg unchanged.
 */
import type { Knex } from 'knex'

declare module 'knex' {
  namespace Knex {
    type Bindable = string | number | boolean | null | Date | Buffer | readonly Bindable[]

    interface RawBuilder<TRecord extends {}, TResult> {
      // biome-ignore lint/style/useShorthandFunctionType: an interface adds to that of knex, a type would take its place
      (sql: string, bindings: readonly Bindable[] | Readonly<Record<string, Bindable>>): Knex.Raw<TResult>
    }
  }
}
